// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// One page of packed strings: number of strings, number of symbols, symbols, page. Its hash is always right.
#include "fuzz_target.hpp"
#include "storage/string_blocks.hpp"

#include <algorithm>
#include <cstring>

namespace {

using tessera::storage::PackedStrings;
using tessera::storage::StringBlocks;

constexpr std::size_t kSymbolBytes = PackedStrings::kSymbolBytes;

PackedStrings to_strings(std::string_view data) {
  PackedStrings strings;
  const auto take = [&](std::size_t size) {
    const std::string_view taken = data.substr(0, size);
    data.remove_prefix(taken.size());
    return std::vector<std::uint8_t>(taken.begin(), taken.end());
  };
  const std::vector<std::uint8_t> head = take(3);
  if (head.size() < 3) return strings;
  strings.count = 1 + head[0];
  strings.symbols = take(kSymbolBytes * (head[1] + std::size_t{256} * head[2]));
  strings.symbols.resize(strings.symbols.size() / kSymbolBytes * kSymbolBytes);
  strings.bytes = take(data.size());
  const std::uint32_t hash = PackedStrings::page_hash(strings.bytes);
  strings.bytes.resize(strings.bytes.size() + sizeof(hash));
  std::memcpy(strings.bytes.data() + strings.bytes.size() - sizeof(hash), &hash, sizeof(hash));
  strings.page_offsets = {0, strings.bytes.size()};
  strings.separator_offsets = {0, 0};
  return strings;
}

std::string seed_of(const std::vector<std::string>& names) {
  const PackedStrings packed =
      PackedStrings::encode(names.size(), [&](std::uint64_t i) { return std::string_view(names[i]); });
  const std::size_t symbols = packed.symbols.size() / kSymbolBytes;
  std::string seed = {static_cast<char>(names.size() - 1), static_cast<char>(symbols % 256),
                      static_cast<char>(symbols / 256)};
  seed.append(packed.symbols.begin(), packed.symbols.end());
  return seed.append(packed.bytes.begin(), packed.bytes.end() - PackedStrings::kHashBytes);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::fuzz::expect_no_defect([&] {
    PackedStrings packed = to_strings({reinterpret_cast<const char*>(data), size});
    if (packed.count == 0) return;
    const StringBlocks blocks(std::move(packed));
    for (std::uint64_t rank = 0; rank < blocks.size(); rank += 1 + blocks.size() / 8) {
      tessera::fuzz::expect_no_defect([&] {
        const std::string name = blocks.get(rank);
        tessera::fuzz::require(blocks.lower_bound(name) <= blocks.size());
        tessera::fuzz::require(blocks.lower_bound(name + "x") <= blocks.size());
      });
    }
    tessera::fuzz::require(blocks.block(0).size() == blocks.size());
  });
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> names;
  for (int i = 0; i < 256; ++i)
    names.push_back("Battle_of_" + std::string(1, static_cast<char>('A' + i / 16)) + "_" + std::to_string(i));
  std::sort(names.begin(), names.end());
  return {seed_of({"a"}), seed_of({"", "Albert_Einstein", "Albert_Hofmann", std::string(300, 'b'), "\xFF"}),
          seed_of(names)};
}
