// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::storage::detail {

/// Ascending strings in one of the encodings. Used by one thread at a time. Everything throws Error(kBadData) for
/// damaged bytes.
class StringStore {
 public:
  struct Bound {
    std::uint64_t rank;  ///< of the first string not below the one asked for; or the number of strings
    bool is_equal;
  };
  static constexpr std::uint64_t kBlockStrings = 1024;

  StringStore() = default;
  StringStore(const StringStore&) = delete;
  StringStore& operator=(const StringStore&) = delete;
  virtual ~StringStore() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// `rank` < size().
  [[nodiscard]] virtual std::string get(std::uint64_t rank) = 0;
  [[nodiscard]] virtual Bound lower_bound(std::string_view string) = 0;
  /// Strings index * kBlockStrings and so on, kBlockStrings of them or what is left.
  [[nodiscard]] virtual std::vector<std::string> block(std::uint64_t index) = 0;
};

}  // namespace tessera::storage::detail
