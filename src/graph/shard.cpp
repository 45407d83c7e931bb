// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/shard.hpp"

#include "core/error.hpp"

#include <functional>
#include <queue>
#include <system_error>
#include <utility>

namespace tessera::graph {

namespace {

// Lengths of runs that differ by at most one.
std::vector<std::uint32_t> even_lengths(std::uint32_t parts, std::int32_t ranks) {
  if (ranks < 1 || static_cast<std::uint32_t>(ranks) > parts)
    fail(ExitStatus::kUsage,
         "{} ranks cannot share {} parts: every rank needs one; start at most {} ranks, or partition into more parts",
         ranks, parts, parts);
  const auto count = static_cast<std::uint32_t>(ranks);
  std::vector<std::uint32_t> lengths(count, parts / count);
  for (std::uint32_t r = 0; r < parts % count; ++r) ++lengths[r];
  return lengths;
}

}  // namespace

Placement::Placement(std::uint32_t parts, std::int32_t ranks) : Placement(even_lengths(parts, ranks)) {}

Placement::Placement(std::span<const std::uint32_t> parts_of_ranks) : first_{PartId(0)} {
  for (const std::uint32_t parts : parts_of_ranks) {
    TESSERA_ASSERT(parts > 0, "every rank has a part");
    rank_of_.insert(rank_of_.end(), parts, Rank(rank_count()));
    first_.emplace_back(part_count());
  }
}

// Part after part goes to the rank that will be done with it first.
Placement Placement::by_speed(std::uint32_t parts, std::span<const double> speeds) {
  (void)even_lengths(parts, static_cast<std::int32_t>(speeds.size()));  // throws where they are too few
  std::vector<std::uint32_t> lengths(speeds.size(), 1);
  using Turn = std::pair<double, std::size_t>;  // when the rank would be done with one part more
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  const auto turn = [&](std::size_t rank) { return Turn((lengths[rank] + 1) / speeds[rank], rank); };
  for (std::size_t rank = 0; rank < speeds.size(); ++rank) turns.push(turn(rank));
  for (std::uint64_t given = speeds.size(); given < parts; ++given) {
    const std::size_t rank = turns.top().second;
    turns.pop();
    ++lengths[rank];
    turns.push(turn(rank));
  }
  return Placement(lengths);
}

Shard::Place Shard::place(EntityId entity) const {
  const PartId part = manifest.owner(entity);
  const std::uint64_t row_of_part = entity.value() - manifest.offsets[part.index()];
  return {part.index() - parts.front().id().index(), LocalRow(static_cast<std::uint32_t>(row_of_part))};
}

Shard load_shard(const std::filesystem::path& partition_folder, Rank rank, const Placement& placement,
                 memory::Pool& pool, Loading loading) {
  PartitionManifest manifest = read_manifest(partition_folder, false);
  if (placement.part_count() != manifest.part_count())
    fail(ExitStatus::kUsage, "'{}' has {} parts, but {} were given to ranks", partition_folder.string(),
         manifest.part_count(), placement.part_count());
  Shard shard{std::move(manifest), placement, rank, {}};
  for (PartId part = placement.first_part(rank); part < placement.end_part(rank); ++part)
    shard.parts.push_back(Part::load(partition_folder, shard.manifest, part, pool, loading));
  return shard;
}

namespace {

/// 0 for a file that is not there: who loads it says so.
std::uint64_t file_bytes(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  return error ? 0 : bytes;
}

}  // namespace

QueryPlace choose_query_place(const std::string& setting, std::uint64_t file_bytes, std::uint64_t budget_bytes) {
  if (setting != "auto") return setting == "stream" ? QueryPlace::kFile : QueryPlace::kMemory;
  return file_bytes <= budget_bytes / 4 ? QueryPlace::kMemory : QueryPlace::kFile;
}

QueryPlace choose_query_place(const std::string& setting, const std::filesystem::path& partition_folder, Rank rank,
                              const Placement& placement, std::uint64_t budget_bytes) {
  std::uint64_t bytes = 0;
  for (PartId part = placement.first_part(rank); part < placement.end_part(rank); ++part)
    bytes += file_bytes(partition_folder / part_file_name(part));
  return choose_query_place(setting, bytes, budget_bytes);
}

}  // namespace tessera::graph
