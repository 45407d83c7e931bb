// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_target.hpp"
#include "partition/import/format_guess.hpp"
#include "partition/import/ntriples_reader.hpp"

using tessera::partition::Input;
using tessera::partition::LineReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = "\n" + std::string(reinterpret_cast<const char*>(data), size);
  tessera::fuzz::expect_no_defect([&] {
    Input input = Input::from_memory("fuzz", text);
    LineReader lines(input);
    tessera::fuzz::CheckingSink sink(true);
    read_ntriples(lines, "f1.", sink, size % 2 != 0);
  });
  static_cast<void>(tessera::partition::guess_format("x", text));
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {"<http://a/s> <http://a/p> <http://a/o> . # comment\n_:a <e:p> _:b.c-d .\n",
          "<e:s><e:p>\"x\\t\\\"\\\\\\u00E9\\U0001F600\"^^<e:dt>.\r<e:s> <e:p> \"chat\"@fr-BE .\n",
          "<e:\\u0053\\U00000053> <e:p> \"\xE2\x82\xAC\" .\n# comment\n\n \t\n",
          "_:\xC3\xB6\xC2\xB7 <e:p> \"\" .\n<s> <e:p> 1 .\n<e:s> <e:p> \"open .\n"};
}
