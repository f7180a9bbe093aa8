import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "public"] },
  ...tseslint.configs.strict,
  {
    files: ["**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "max-lines": ["error", { max: 500, skipBlankLines: false }],
      "max-lines-per-function": ["error", { max: 110, skipBlankLines: true, skipComments: true }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "What containers say is hostile: text nodes only." },
        { property: "outerHTML", message: "What containers say is hostile: text nodes only." },
        { property: "insertAdjacentHTML", message: "What containers say is hostile: text nodes only." },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Text nodes only." },
      ],
      "no-restricted-globals": ["error", { name: "alert", message: "Use a toast." }, { name: "confirm", message: "Use ask()." }],
    },
  },
  { files: ["tests/**"], rules: { "max-lines-per-function": "off" } },
);
