// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/detail/control_group.hpp"

#include <fstream>
#include <string>

namespace tessera::memory::detail {
namespace {

using Limit = std::optional<std::uint64_t>;

void consider_file(Limit& best, const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (in >> value && (!best || value < *best)) best = value;  // "max" is no number, and no limit
}

// The group itself, then everything above it: any of them may be the one with the limit.
void consider_chain(Limit& best, const std::filesystem::path& mount, std::filesystem::path group, const char* file) {
  group = group.relative_path();
  while (true) {
    consider_file(best, mount / group / file);
    if (group.empty()) return;
    group = group.parent_path();
  }
}

}  // namespace

Limit control_group_limit(const std::filesystem::path& groups, const std::filesystem::path& mount) {
  Limit best;
  std::ifstream in(groups);
  std::string line;
  while (std::getline(in, line)) {  // "4:memory:/job/step" (version 1) or "0::/job/step" (version 2)
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") consider_chain(best, mount, group, "memory.max");
    if (controllers.find(",memory,") != std::string::npos)
      consider_chain(best, mount / "memory", group, "memory.limit_in_bytes");
  }
  return best;
}

}  // namespace tessera::memory::detail
