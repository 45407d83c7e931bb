// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/detail/plain_queries.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <tuple>

namespace tessera::graph::detail {
namespace {

constexpr const char* kPlainEncoding = "plain";

// Inside every relation strictly ascending by (source, target).
bool is_in_order(const QueryColumns& queries) {
  const auto& offsets = queries.relation_offsets;
  const auto query = [&](std::uint64_t i) { return std::tuple(queries.sources[i], queries.targets[i]); };
  for (std::size_t r = 0; r + 1 < offsets.size(); ++r)
    for (std::uint64_t i = offsets[r] + 1; i < offsets[r + 1]; ++i)
      if (query(i - 1) >= query(i)) return false;
  return true;
}

bool is_sound(const QueryColumns& queries, const PartitionManifest& manifest, std::uint64_t rows) {
  const auto& offsets = queries.relation_offsets;
  return offsets.size() == 2 * manifest.relation_count + 1 && offsets.front() == 0 &&
         offsets.back() == queries.sources.size() && std::is_sorted(offsets.begin(), offsets.end()) &&
         queries.targets.size() == queries.sources.size() &&
         std::all_of(queries.sources.begin(), queries.sources.end(), [&](auto s) { return s < rows; }) &&
         std::all_of(queries.targets.begin(), queries.targets.end(),
                     [&](auto t) { return t < manifest.entity_count; }) &&
         is_in_order(queries);
}

}  // namespace

std::array<QueryColumns, 3> load_plain_queries(const storage::FileReader& file, const PartitionManifest& manifest,
                                               std::uint64_t rows) {
  std::array<QueryColumns, 3> splits;
  for (const Split split : kSplits) {
    const std::string group = fmt::format("/queries/{}", name(split));
    const std::string encoding = file.string(group, "encoding");
    if (encoding != kPlainEncoding)
      fail(ExitStatus::kBadData, "'{}', {}: unknown encoding '{}'", file.path().string(), group, encoding);
    for (const char* column : {"/relation_offsets", "/source", "/target"}) (void)file.length(group + column);
    QueryColumns& queries = splits.at(static_cast<std::size_t>(split));
    queries.relation_offsets = file.read<std::uint64_t>(group + "/relation_offsets");
    queries.sources = file.read<std::uint32_t>(group + "/source");
    queries.targets = file.read<std::uint64_t>(group + "/target");
    if (!is_sound(queries, manifest, rows))
      fail(ExitStatus::kBadData, "'{}', {}: queries with ids out of range or out of order", file.path().string(),
           group);
  }
  return splits;
}

}  // namespace tessera::graph::detail
