// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/original_ids.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "graph/part_file.hpp"
#include "graph/permutation.hpp"
#include "storage/hdf5.hpp"

#include <algorithm>
#include <array>

namespace tessera::search {
namespace {

void read_part(const std::filesystem::path& folder, const graph::PartitionManifest& manifest, PartId part,
               std::span<std::uint64_t> out) {
  const auto file =
      storage::FileReader::open_verified(folder / graph::part_file_name(part), graph::kPartKind, graph::kPartVersion);
  file.read_to<std::uint64_t>(graph::kOriginalIds, out);
  if (std::any_of(out.begin(), out.end(), [&](std::uint64_t id) { return id >= manifest.entity_count; }))
    fail(ExitStatus::kBadData, "'{}', {}: ids out of range", file.path().string(), graph::kOriginalIds);
}

// Collective. Whether the numbers of all ranks together are a permutation; each half of a sum is small enough to add
// up.
bool is_permutation(comm::Communicator& comm, const graph::PermutationSum& mine) {
  std::array<std::int64_t, 2> halves = {static_cast<std::int64_t>(mine.value() & 0xffffffffU),
                                        static_cast<std::int64_t>(mine.value() >> 32U)};
  comm.all_reduce(halves, comm::Reduction::kSum);
  return static_cast<std::uint64_t>(halves[0]) + (static_cast<std::uint64_t>(halves[1]) << 32U) == 0;
}

}  // namespace

OriginalIds::OriginalIds(comm::Communicator& comm, const graph::Shard& shard,
                         const std::filesystem::path& partition_folder, memory::Pool& pool) {
  comm::together(comm, [&] {
    first_ = shard.parts.front().first_entity();
    ids_ = take_memory(shard, pool);
    for (const graph::Part& part : shard.parts)
      read_part(partition_folder, shard.manifest, part.id(),
                ids_.span().subspan(part.first_entity().value() - first_.value(), part.rows()));
  });
  graph::PermutationSum sum;
  sum.add(ids_.span(), first_.value());
  if (!is_permutation(comm, sum))
    throw comm::AgreedError(ExitStatus::kBadData,
                            fmt::format("'{}', {} of the parts: not a permutation of the entities",
                                        partition_folder.string(), graph::kOriginalIds));
}

memory::Buffer<std::uint64_t> OriginalIds::take_memory(const graph::Shard& shard, memory::Pool& pool) {
  std::uint64_t rows = 0;
  for (const graph::Part& part : shard.parts) rows += part.rows();
  return pool.allocate<std::uint64_t>(memory::Tag::kEvaluation, rows);
}

void OriginalIds::translate(comm::Communicator& comm, std::span<std::int64_t> entities) const {
  for (std::int64_t& id : entities) {
    const EntityId entity(static_cast<std::uint64_t>(id));
    const bool own = entity >= first_ && entity.value() - first_.value() < ids_.size();
    id = own ? static_cast<std::int64_t>((*this)[entity]) : 0;
  }
  comm.all_reduce(entities, comm::Reduction::kSum);
}

}  // namespace tessera::search
