// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "core/random.hpp"
#include "graph/part_file.hpp"
#include "storage/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace tessera {

using graph::Part;
using graph::PartContent;
using graph::PartitionManifest;
using graph::Split;

inline constexpr std::uint64_t kEntities = 30;
inline constexpr std::uint64_t kRelations = 2;

/// Distinct queries of a part with `rows` entities, in no order.
inline std::vector<Query> random_queries(std::uint64_t rows, std::uint64_t count, std::uint64_t seed) {
  const RandomStream stream(seed, Purpose::kSplit);
  std::set<Query> queries;
  for (std::uint64_t i = 0; queries.size() < count; ++i)
    queries.insert({LocalRow(static_cast<std::uint32_t>(stream.below(3 * i, rows))),
                    RelationId(static_cast<std::uint32_t>(stream.below(3 * i + 1, 2 * kRelations))),
                    EntityId(stream.below(3 * i + 2, kEntities))});
  std::vector<Query> shuffled(queries.begin(), queries.end());
  const Permutation permutation(shuffled.size(), stream);
  std::vector<Query> out;
  for (std::uint64_t i = 0; i < shuffled.size(); ++i) out.push_back(shuffled[permutation(i)]);
  return out;
}

/// Three parts of 12, 8 and 10 entities on disk.
class PartFile : public testing::Test {
 protected:
  PartFile() {
    manifest_.method = "random";
    manifest_.graph_digest = std::string(32, 'a');
    manifest_.entity_count = kEntities;
    manifest_.relation_count = kRelations;
    manifest_.offsets = {0, 12, 20, 30};
    manifest_.figures.resize(3);
    for (std::uint32_t p = 0; p < 3; ++p) {
      queries_.push_back({random_queries(rows(p), 60, 3 * p), random_queries(rows(p), 7, 3 * p + 1), {}});
      store(p, content(p));
      manifest_.figures[p] = {rows(p), 60, 0, 0};
    }
  }
  [[nodiscard]] std::uint64_t rows(std::uint32_t p) const { return manifest_.rows(PartId(p)); }
  [[nodiscard]] PartContent content(std::uint32_t p) const {
    PartContent content;
    content.part = PartId(p);
    for (std::size_t split = 0; split < 3; ++split)
      content.queries.at(split) = graph::to_columns(queries_[p].at(split), 2 * kRelations);
    content.train_degree.resize(rows(p));
    for (const std::uint32_t source : content.queries.front().sources) ++content.train_degree[source];
    for (std::uint64_t id = 0; id < rows(p); ++id) content.original_ids.push_back(kEntities - 1 - id);
    return content;
  }
  void store(std::uint32_t p, const PartContent& content) const {
    graph::write_part(folder(), manifest_, content);
    list(p);
  }
  void list(std::uint32_t p) const {
    auto checksums = storage::FolderChecksums::load(folder());
    checksums.record(graph::part_file_name(PartId(p)));
    checksums.commit();
  }
  Part load(std::uint32_t p) { return Part::load(folder(), manifest_, PartId(p), pool_); }
  [[nodiscard]] const std::filesystem::path& folder() const { return temporary_.path(); }
  [[nodiscard]] std::filesystem::path file(std::uint32_t p) const {
    return folder() / graph::part_file_name(PartId(p));
  }

  PartitionManifest manifest_;
  std::vector<std::array<std::vector<Query>, 3>> queries_;
  memory::Pool pool_{std::uint64_t{1} << 20U};

 private:
  test::TemporaryFolder temporary_;
};

}  // namespace tessera
