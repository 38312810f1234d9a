declare module 'fast-crc32c' {
  const crc: { calculate (data: Buffer | string, initial?: number): number }
  export default crc
}
