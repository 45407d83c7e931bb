// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/string_blocks.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::predict::detail {

/// Names by id and ids by name; the names stay in their file.
class NameIndex {
 public:
  explicit NameIndex(storage::StringBlocks blocks) : blocks_(std::move(blocks)) {}

  [[nodiscard]] std::uint64_t size() const { return blocks_.size(); }
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const { return blocks_.find(name); }
  /// Valid until the next call.
  [[nodiscard]] const std::string& name(std::uint64_t id) const { return name_ = blocks_.get(id); }
  /// Up to `limit` names that `name` may have been meant for: those that begin with it, then those with the fewest
  /// edits. Scans all names: about 0.1 s per 100,000.
  [[nodiscard]] std::vector<std::string> suggestions(std::string_view name, std::size_t limit) const;

 private:
  storage::StringBlocks blocks_;
  mutable std::string name_;
};

}  // namespace tessera::predict::detail
