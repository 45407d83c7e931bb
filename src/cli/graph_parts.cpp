// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/graph_parts.hpp"

#include "core/job.hpp"

#include <charconv>
#include <string>

namespace tessera::cli {

std::optional<std::uint64_t> fewest_parts(const std::filesystem::path& graph_folder) {
  constexpr std::string_view kPrefix = "parts-";
  std::optional<std::uint64_t> fewest;
  for (const auto& entry : std::filesystem::directory_iterator(graph_folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !entry.is_directory()) continue;
    std::uint64_t parts = 0;
    const char* const end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, parts);
    if (error != std::errc() || at != end || parts == 0 || parts > kMostParts) continue;
    if (!fewest || parts < *fewest) fewest = parts;
  }
  return fewest;
}

}  // namespace tessera::cli
