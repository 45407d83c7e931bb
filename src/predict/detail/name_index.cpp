// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/name_index.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace tessera::predict::detail {

std::vector<std::string> NameIndex::suggestions(std::string_view name, std::size_t limit) const {
  std::vector<std::string> found;
  for (std::uint64_t id = blocks_.lower_bound(name);
       id < size() && found.size() < limit && this->name(id).starts_with(name); ++id)
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
