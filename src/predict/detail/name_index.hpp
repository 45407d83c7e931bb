// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/string_blocks.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera::predict::detail {

/// Names by id and ids by name over compressed blocks; the blocks used last stay decoded.
class NameIndex {
 public:
  explicit NameIndex(storage::StringBlocks blocks) : blocks_(std::move(blocks)) {}

  [[nodiscard]] std::uint64_t size() const { return blocks_.size(); }
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const;
  /// Valid until the next call. Cheapest in ascending order.
  [[nodiscard]] const std::string& name(std::uint64_t id) const;
  /// Up to `limit` names that `name` may have been meant for: those that begin with it, then those with the fewest
  /// edits. Scans all names: about 0.1 s per 100,000.
  [[nodiscard]] std::vector<std::string> suggestions(std::string_view name, std::size_t limit) const;

 private:
  [[nodiscard]] const std::vector<std::string>& block(std::uint64_t index) const;
  /// Id of the first name not below `name`, or size().
  [[nodiscard]] std::uint64_t lower_bound(std::string_view name) const;

  static constexpr std::size_t kMostDecoded = 512;  // blocks of 1,024 names
  storage::StringBlocks blocks_;
  mutable std::unordered_map<std::uint64_t, std::vector<std::string>> decoded_;
};

}  // namespace tessera::predict::detail
