/** Threads for file operations of every server: UV_THREADPOOL_SIZE. `sluice broker` sets the same. */
export const THREADS = 16
