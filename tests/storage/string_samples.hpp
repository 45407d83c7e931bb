// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tessera::test {

/// Distinct random strings in byte order; many share prefixes, some are empty, long, or any bytes.
inline std::vector<std::string> random_strings(std::size_t count) {
  const RandomStream stream(count, Purpose::kSplit);
  const std::vector<std::string> stems = {
      "http://example.org/resource/", "été/", "日本語/", "\xF0\x9F\x98\x80", "", "a"};
  std::set<std::string> strings;
  if (count > 0) strings.insert("");
  if (count > 1) strings.insert(std::string(5000, 'z') + "end");
  if (count > 2) strings.insert(std::string("nul\0inside", 10));
  if (count > 3) strings.insert("\xFF\xFE");
  for (std::uint64_t i = 0; strings.size() < count; ++i)
    strings.insert(stems[stream.below(2 * i, stems.size())] + std::to_string(stream.below(2 * i + 1, 10 * count)));
  return {strings.begin(), strings.end()};  // std::string compares bytes as unsigned
}

}  // namespace tessera::test
