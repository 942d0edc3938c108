// Compiles Token.sol and prints Token.json. In this folder:
//
//   npm ci && node compile.js > Token.json
//
// The compiler and its settings are pinned, and the metadata hash is left out,
// so that the same source gives the same bytes anywhere.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const input = {
  language: "Solidity",
  sources: { "Token.sol": { content: fs.readFileSync(path.join(__dirname, "Token.sol"), "utf8") } },
  settings: {
    evmVersion: "paris",
    optimizer: { enabled: true, runs: 200 },
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};

const output = JSON.parse(solc.compile(JSON.stringify(input)));
const problems = output.errors || [];
if (problems.length > 0) {
  console.error(problems.map((e) => e.formattedMessage).join("\n"));
  process.exit(1);
}
const token = output.contracts["Token.sol"].Token;
console.log(
  JSON.stringify(
    {
      compiler: solc.version(),
      settings: { evmVersion: input.settings.evmVersion, optimizer: input.settings.optimizer, metadata: input.settings.metadata },
      abi: token.abi,
      bytecode: "0x" + token.evm.bytecode.object,
    },
    null,
    2,
  ),
);
