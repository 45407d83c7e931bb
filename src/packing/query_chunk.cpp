// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/query_chunk.hpp"

#include "packing/detail/decode.hpp"

namespace tessera::packing {

std::optional<ChunkReader::Counts> ChunkReader::counts(std::span<const std::uint8_t> bytes) {
  BitReader reader(bytes);
  Counts counts;
  counts.queries = static_cast<std::uint32_t>(reader.get(detail::kCountBits) + 1);
  counts.lists = static_cast<std::uint32_t>(reader.get(detail::kCountBits) + 1);
  if (!reader.is_sound() || counts.lists > counts.queries) return std::nullopt;
  return counts;
}

bool ChunkReader::read(std::span<const std::uint8_t> bytes, std::uint32_t first_source, const ChunkBounds& bounds) {
  detail::ChunkLayout layout;
  const bool is_sound =
      detail::read_layout(bytes, layout) && detail::decode_chunk(layout, {first_source, bounds}, arrays_);
  count_ = is_sound ? layout.queries : 0;
  return is_sound;
}

bool ChunkReader::find(std::span<const std::uint8_t> bytes, std::uint32_t first_source, std::uint32_t source,
                       const ChunkBounds& bounds) {
  detail::ChunkLayout layout;
  count_ = 0;
  if (!detail::read_layout(bytes, layout)) return false;
  const auto found = detail::decode_list(layout, {first_source, bounds}, source, arrays_);
  count_ = found.value_or(0);
  return found.has_value();
}

}  // namespace tessera::packing
