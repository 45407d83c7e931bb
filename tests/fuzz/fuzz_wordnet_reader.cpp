// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_target.hpp"
#include "partition/import/wordnet_reader.hpp"

using tessera::partition::Input;
using tessera::partition::LineReader;
using tessera::partition::SynsetNames;
using tessera::partition::WordNetPart;
using tessera::partition::WordNetReader;

// One input is a data file and its index file, cut at the first form feed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(bytes.find('\f'), bytes.size());
  const std::string synsets = "\n" + std::string(bytes.substr(0, cut));
  const std::string index = "\n" + std::string(bytes.substr(std::min(cut + 1, bytes.size())));
  const auto part = static_cast<WordNetPart>(size % 4);
  const auto with_lines = [](const std::string& text, const auto& use) {
    Input input = Input::from_memory("fuzz", text);
    LineReader lines(input);
    use(lines);
  };
  tessera::fuzz::expect_no_defect([&] {
    SynsetNames names;
    with_lines(synsets, [&](LineReader& lines) { names.add_data(lines, part); });
    with_lines(index, [&](LineReader& lines) { names.add_index(lines, part); });
    names.finish();
    tessera::fuzz::CheckingSink sink(false);
    WordNetReader reader(names);
    with_lines(synsets, [&](LineReader& lines) { reader.read(lines, part, sink); });
  });
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  // The part of speech follows from the length, so every seed comes in four lengths.
  std::vector<std::string> seeds;
  for (const char* seed :
       {"  1 licence\n00000100 03 n 02 Dog 0 hound 0 002 @ 00000200 n 0000 + 00000100 n 0101 | a pet\n"
        "00000200 03 n 01 animal 0 001 ~ 00000100 n 0000 | a beast\n\fdog n 1 1 @ 1 0 00000100\nanimal n 1 1 ~ 1 0 "
        "00000200\n",
        "00000300 29 v 01 run 0 001 $ 00000300 v 0000 01 + 02 00 | go\n\frun v 1 1 $ 1 1 00000300\n",
        "00000400 00 s 01 near(p) 0 001 & 00000400 a 0000 | x\n\fnear a 1 1 & 1 0 00000400\n",
        "00000500 02 r 01 so 0 001 \\ 00000500 r 0101 | x\n\fso r 1 1 \\ 1 0 00000500\n"})
    for (std::size_t spaces = 0; spaces < 4; ++spaces) seeds.push_back(seed + std::string(spaces, '\n'));
  return seeds;
}
