// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace tessera::attributes {

/// One bit for each entity that a rank owns, in the order of global ids: whether the condition holds for it. Reads the
/// columns that the condition names from the files of the own parts, one part after the other; gives their memory back.
/// Not collective. Throws Error: kUsage for the condition, or when the parts have no attributes; kBadData,
/// kMissingInput, kOverBudget.
std::vector<std::uint64_t> select_rows(std::string_view condition, const graph::Shard& shard,
                                       const std::filesystem::path& partition_folder, memory::Pool& pool);

}  // namespace tessera::attributes
