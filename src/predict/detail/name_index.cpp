// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/name_index.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace tessera::predict::detail {

using storage::StringBlocks;

const std::vector<std::string>& NameIndex::block(std::uint64_t index) const {
  const auto found = decoded_.find(index);
  if (found != decoded_.end()) return found->second;
  if (decoded_.size() >= kMostDecoded) decoded_.clear();
  return decoded_.emplace(index, blocks_.block(index)).first->second;
}

const std::string& NameIndex::name(std::uint64_t id) const {
  return block(id / StringBlocks::kBlockStrings).at(id % StringBlocks::kBlockStrings);
}

std::uint64_t NameIndex::lower_bound(std::string_view name) const {
  std::uint64_t low = 0;
  std::uint64_t high = blocks_.block_count();
  while (high - low > 1) {  // the last block whose first name is not above `name`
    const std::uint64_t middle = (low + high) / 2;
    (block(middle).front() <= name ? low : high) = middle;
  }
  if (low == high) return 0;
  const std::vector<std::string>& names = block(low);
  const auto found = std::lower_bound(names.begin(), names.end(), name);
  return low * StringBlocks::kBlockStrings + static_cast<std::uint64_t>(found - names.begin());
}

std::optional<std::uint64_t> NameIndex::find(std::string_view name) const {
  const std::uint64_t id = lower_bound(name);
  if (id == size() || this->name(id) != name) return std::nullopt;
  return id;
}

std::vector<std::string> NameIndex::suggestions(std::string_view name, std::size_t limit) const {
  std::vector<std::string> found;
  for (std::uint64_t id = lower_bound(name); id < size() && found.size() < limit && this->name(id).starts_with(name);
       ++id)
    found.push_back(this->name(id));
  const std::size_t most_edits = std::max<std::size_t>(3, name.size() / 2);
  for (std::string& near : blocks_.nearest(name, limit)) {
    if (found.size() == limit) break;
    const bool is_near = text::edit_distance(name, near) <= most_edits;
    if (is_near && std::find(found.begin(), found.end(), near) == found.end()) found.push_back(std::move(near));
  }
  return found;
}

}  // namespace tessera::predict::detail
