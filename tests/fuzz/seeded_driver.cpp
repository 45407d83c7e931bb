// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Feeds a fuzz target with the same mutations of its seeds every time: what a compiler without libFuzzer can do, as a
// test.
//   fuzz_x [iterations per seed] [seed]       fuzz_x FILE... runs the files as they are
#include "fuzz_target.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace {

using Random = std::mt19937_64;

// Bytes and pieces that parsers care about.
constexpr std::array<std::string_view, 24> kPieces = {
    "\t", "\n", "\r\n", "\r", " ",        "\"",   "\"\"", "\\",      "\\u0000", "\\u", "<", ">",
    "_:", ".",  "#",    ",",  "\xC3\xB6", "\xFF", "@en",  "^^<e:x>", "0000",    "001", "|", "\f"};

void mutate(std::string& text, const std::vector<std::string>& seeds, Random& random) {
  const auto place = [&] { return text.empty() ? 0 : random() % (text.size() + 1); };
  const std::size_t at = place();
  switch (random() % 7) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(random());
      break;
    case 1:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << (random() % 8)));
      break;
    case 2: text.erase(at, random() % 8); break;
    case 3: text.insert(at, kPieces.at(random() % kPieces.size())); break;
    case 4: text.insert(at, text.substr(place(), random() % 32)); break;
    case 5: text.resize(at); break;
    default: {
      const std::string& other = seeds[random() % seeds.size()];
      text.insert(at, other.substr(random() % (other.size() + 1)));
    }
  }
}

void run(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

void run_mutations(std::uint64_t iterations, std::uint64_t seed) {
  const std::vector<std::string> seeds = fuzz_seeds();
  Random random(seed);
  for (const std::string& start : seeds) {
    run(start);
    for (std::uint64_t i = 0; i < iterations; ++i) {
      std::string text = start;
      for (std::uint64_t count = 1 + random() % 6; count > 0; --count) mutate(text, seeds, random);
      run(text);
    }
  }
}

std::uint64_t number(const char* argument) {
  const std::string_view text(argument);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::filesystem::is_regular_file(argv[1])) {
    for (int i = 1; i < argc; ++i) {
      std::ifstream file(argv[i], std::ios::binary);
      run({std::istreambuf_iterator<char>(file), {}});
    }
    return 0;
  }
  run_mutations(argc > 1 ? number(argv[1]) : 5000, argc > 2 ? number(argv[2]) : 1);
  return 0;
}
