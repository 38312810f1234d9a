import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['**/dist/**', '**/generated/**'] }),
  {
    rules: {
      '@stylistic/max-len': ['error', {
        code: 120, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true,
      }],
      'no-void': ['error', { allowAsStatement: true }],
      'no-restricted-syntax': ['error', { selector: 'PrivateIdentifier', message: 'Private members are `private`, not `#`.' }],
      '@stylistic/comma-dangle': 'off',
      '@stylistic/max-statements-per-line': 'off',
    },
  },
]
