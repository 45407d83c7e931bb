// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph/packed_queries.hpp"
#include "graph/partition_manifest.hpp"
#include "storage/hdf5.hpp"

#include <array>
#include <cstdint>

namespace tessera::graph::detail {

/// Reads the queries of a part file of format version 1, which did not pack them. Throws Error(kBadData).
std::array<QueryColumns, 3> load_plain_queries(const storage::FileReader& file, const PartitionManifest& manifest,
                                               std::uint64_t rows);

}  // namespace tessera::graph::detail
