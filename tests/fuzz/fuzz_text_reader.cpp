// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_target.hpp"
#include "partition/import/text_reader.hpp"

using tessera::partition::Input;
using tessera::partition::LineReader;
using tessera::partition::Separator;
using tessera::partition::TextFormat;

// The first byte picks the options; plain text only, decoders have their own target.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  TextFormat format;
  format.separator = static_cast<Separator>(1 + data[0] % 4);
  format.header = (data[0] & 4U) != 0;
  format.content = static_cast<TextFormat::Content>((data[0] >> 3U) % 3);
  format.trim = (data[0] & 64U) != 0;
  format.values = {{2, "value"}};
  const std::string text = "x" + std::string(reinterpret_cast<const char*>(data + 1), size - 1);
  tessera::fuzz::expect_no_defect([&] {
    Input input = Input::from_memory("fuzz", text);
    LineReader lines(input, (data[0] & 16U) != 0 ? 64 : LineReader::kLongestLineBytes);
    tessera::fuzz::CheckingSink sink(false);
    read_text(lines, format, sink);
    tessera::fuzz::require(sink.facts() <= lines.lines());
  });
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  const std::string table = "a\tr\tb\r\n00123\tr\t\n\nb\tr\tc\td\n\xEF\xBB\xBF g\xC3\xB6\tr\tz";
  return {std::string(1, '\0') + table,
          "\001" + table,
          "\002a,r,b\n\"a,b\",\"\"\"r\",c\n\"open,r,c\n",
          "\003 a  r b \nc r d\n",
          "\010e\tage\t\ne\tage\t42\n",
          "\024head\trelation\ttail\n" + std::string(100, 'y') + "\na\tb\tc\n"};
}
