// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_target.hpp"
#include "partition/import/input.hpp"

#include <array>

using namespace std::string_literals;

// Decoders: whatever the bytes are, text in pieces of any size is the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t kMost = std::size_t{1} << 22U;  // a small input may stand for much text
  const auto read = [&](std::size_t piece) {
    std::string text;
    tessera::fuzz::expect_no_defect([&] {
      auto input = tessera::partition::Input::from_memory("fuzz", bytes);
      std::string buffer(piece, '\0');
      for (std::size_t count = input.read(buffer); count > 0 && text.size() < kMost; count = input.read(buffer))
        text.append(buffer, 0, count);
    });
    return text;
  };
  const std::string large = read(100'000);
  const std::string small = read(1'000);
  if (large.size() < kMost && small.size() < kMost)
    tessera::fuzz::require(large.starts_with(small) || small.starts_with(large));
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  // Three lines "a TAB r TAB b" in each encoding.
  const std::string gzip =
      "\037\213\010\000\000\000\000\000\002\003\113\344\054\342\114\342\112\104\042\001\057\221\066\140\022\000\000\000"s;
  const std::string zstd =
      "\050\265\057\375\004\130\145\000\000\060\141\011\162\011\142\012\001\000\341\112\021\052\372\307\305"s;
  const std::string skippable = "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz"s;
  return {"plain\ttext\there\n"s, gzip,           gzip + gzip, gzip + "\0\0"s, zstd, zstd + zstd,
          skippable + zstd,       "\xef\xbb\xbf"s};
}
