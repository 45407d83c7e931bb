// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace tessera::cli {

/// The number of parts of a graph's partition, of several the fewest; none: it has no partition.
std::optional<std::uint64_t> fewest_parts(const std::filesystem::path& graph_folder);

}  // namespace tessera::cli
