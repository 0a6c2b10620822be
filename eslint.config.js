// The browser's part of the components: ES modules, linted by `make check` after `npm install`.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/*.min.js"] },
  {
    files: ["pages/ui/assets/**/*.js"],
    ...js.configs.recommended,
    languageOptions: { sourceType: "module", globals: globals.browser },
    rules: {
      ...js.configs.recommended.rules,
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
