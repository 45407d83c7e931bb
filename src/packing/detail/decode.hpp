// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/detail/chunk_layout.hpp"
#include "packing/query_chunk.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::packing::detail {

/// What the reader of a chunk is told.
struct ChunkStart {
  std::uint32_t first_source = 0;
  ChunkBounds bounds;
};

/// Unpacks all queries into `sources` and `targets`. False when the chunk is damaged.
bool decode_chunk(const ChunkLayout& layout, const ChunkStart& start, ChunkArrays& arrays);

/// Unpacks the targets of one source and counts them. Nothing when the chunk is damaged.
std::optional<std::size_t> decode_list(const ChunkLayout& layout, const ChunkStart& start, std::uint32_t source,
                                       ChunkArrays& arrays);

}  // namespace tessera::packing::detail
