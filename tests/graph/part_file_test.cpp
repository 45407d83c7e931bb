// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/part_file.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "storage/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tessera {
namespace {

using graph::Part;
using graph::PartContent;
using graph::PartitionManifest;
using graph::Split;

constexpr std::uint64_t kEntities = 30;
constexpr std::uint64_t kRelations = 2;

/// Distinct queries of a part with `rows` entities, in no order.
std::vector<Query> random_queries(std::uint64_t rows, std::uint64_t count, std::uint64_t seed) {
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
    content.halo_offsets.assign(4, 0);
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
  /// Stores part 1 with one thing changed; loading it must be refused.
  void refuse(const std::string& what, const std::function<void(PartContent&)>& change,
              std::initializer_list<std::string_view> words = {}) {
    SCOPED_TRACE(what);
    PartContent changed = content(1);
    change(changed);
    store(1, changed);
    const std::string message = test::expect_error(ExitStatus::kBadData, words, [&] { load(1); });
    EXPECT_NE(message.find("part-0001.h5"), std::string::npos) << message;
    EXPECT_EQ(pool_.used_bytes(), 0U) << "a refused chunk keeps memory";
  }
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

TEST_F(PartFile, RoundTrip) {
  for (std::uint32_t p = 0; p < 3; ++p) {
    const Part part = load(p);
    EXPECT_EQ(part.id(), PartId(p));
    EXPECT_EQ(part.rows(), rows(p));
    EXPECT_EQ(part.first_entity(), EntityId(manifest_.offsets[p]));
    for (const Split split : graph::kSplits) {
      auto expected = queries_[p].at(static_cast<std::size_t>(split));
      std::sort(expected.begin(), expected.end(), [](const Query& a, const Query& b) {
        return std::tie(a.relation, a.source, a.target) < std::tie(b.relation, b.source, b.target);
      });
      const graph::QuerySet& set = part.queries(split);
      ASSERT_EQ(set.size(), expected.size());
      for (std::uint64_t i = 0; i < set.size(); ++i) EXPECT_EQ(set.query(i), expected[i]) << i;
    }
    const auto degree = content(p).train_degree;
    EXPECT_TRUE(std::equal(part.train_degree().begin(), part.train_degree().end(), degree.begin(), degree.end()));
  }
}

TEST_F(PartFile, MemoryComesFromThePoolAndGoesBack) {
  {
    const Part part = load(0);
    EXPECT_GT(pool_.use(memory::Tag::kQueries).bytes, 60 * 12U);
    EXPECT_EQ(pool_.use(memory::Tag::kQueries).bytes, pool_.used_bytes());
  }
  EXPECT_EQ(pool_.used_bytes(), 0U);
  memory::Pool small(128);
  test::expect_error(ExitStatus::kOverBudget, {"for queries"},
                     [&] { Part::load(folder(), manifest_, PartId(0), small); });
}

TEST_F(PartFile, NamesSortInPartOrder) {
  EXPECT_EQ(graph::part_file_name(PartId(0)), "part-0000.h5");
  EXPECT_EQ(graph::part_file_name(PartId(37)), "part-0037.h5");
  EXPECT_EQ(graph::part_file_name(PartId(12345)), "part-12345.h5");
}

TEST_F(PartFile, KnownTargetsMatchBruteForce) {
  for (std::uint32_t p = 0; p < 3; ++p) {
    const Part part = load(p);
    for (const Split split : graph::kSplits)
      for (std::uint32_t s = 0; s < rows(p); ++s)
        for (std::uint32_t r = 0; r < 2 * kRelations; ++r) {
          std::set<std::uint64_t> expected;
          for (const Query& query : queries_[p].at(static_cast<std::size_t>(split)))
            if (query.source == LocalRow(s) && query.relation == RelationId(r)) expected.insert(query.target.value());
          const auto known = part.queries(split).known_targets(LocalRow(s), RelationId(r));
          EXPECT_TRUE(std::equal(known.begin(), known.end(), expected.begin(), expected.end())) << s << " " << r;
        }
  }
  EXPECT_TRUE(graph::QuerySet().known_targets(LocalRow(0), RelationId(0)).empty());
}

TEST_F(PartFile, ToColumnsHasEveryRelation) {
  const auto none = graph::to_columns({}, 4);
  EXPECT_EQ(none.relation_offsets, (std::vector<std::uint64_t>{0, 0, 0, 0, 0}));
  const auto one = graph::to_columns({{LocalRow(5), RelationId(2), EntityId(9)}}, 4);
  EXPECT_EQ(one.relation_offsets, (std::vector<std::uint64_t>{0, 0, 0, 1, 1}));
}

TEST_F(PartFile, AMissingOrUnlistedChunk) {
  std::filesystem::remove(file(2));
  test::expect_error(ExitStatus::kMissingInput, {"part-0002.h5", "does not exist"}, [&] { load(2); });
  auto checksums = storage::FolderChecksums::load(folder());
  checksums.forget("part-0001.h5");
  checksums.commit();
  test::expect_error(ExitStatus::kMissingInput, {"part-0001.h5", "not listed"}, [&] { load(1); });
}

TEST_F(PartFile, ADamagedChunk) {
  std::fstream stream(file(1), std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(1234);
  stream.put('!');
  stream.close();
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "do not match their checksum"}, [&] { load(1); });
}

TEST_F(PartFile, AChunkOfAnotherPartOrGraph) {
  std::filesystem::copy_file(file(0), file(1), std::filesystem::copy_options::overwrite_existing);
  list(1);
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "another data set or part", "manifest.h5"},
                     [&] { load(1); });
  store(1, content(1));
  EXPECT_NO_THROW(load(1));
  manifest_.graph_digest = std::string(32, 'b');
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "another data set"}, [&] { load(1); });
  manifest_.graph_digest = std::string(32, 'a');
  manifest_.offsets = {0, 11, 19, 30};  // as many rows, but from another entity on
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "another data set"}, [&] { load(1); });
}

TEST_F(PartFile, AFileOfAnotherKind) {
  storage::FileWriter writer(file(1), "partition", 1);
  writer.close();
  list(1);
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "'partition'", "'part'"}, [&] { load(1); });
}

TEST_F(PartFile, IdsOutOfRange) {
  refuse("source", [](PartContent& c) { c.queries[0].sources.back() = 8; }, {"/queries/train", "out of range"});
  refuse("target", [](PartContent& c) { c.queries[1].targets.front() = kEntities; }, {"/queries/valid"});
  refuse("a target near 2^64", [](PartContent& c) { c.queries[0].targets[3] = ~std::uint64_t{0}; }, {"/queries/train"});
}

TEST_F(PartFile, ColumnsThatDoNotFitEachOther) {
  refuse("a source less", [](PartContent& c) { c.queries[0].sources.pop_back(); }, {"/queries/train"});
  refuse("a target less", [](PartContent& c) { c.queries[0].targets.pop_back(); }, {"/queries/train"});
  refuse("a relation less", [](PartContent& c) { c.queries[0].relation_offsets.pop_back(); }, {"/queries/train"});
  refuse("no offsets", [](PartContent& c) { c.queries[2].relation_offsets.clear(); }, {"/queries/test"});
  refuse("offsets from 1", [](PartContent& c) { c.queries[0].relation_offsets[0] = 1; }, {"/queries/train"});
  refuse("offsets backwards",
         [](PartContent& c) { std::swap(c.queries[0].relation_offsets[1], c.queries[0].relation_offsets[2]); },
         {"/queries/train"});
  refuse("offsets beyond", [](PartContent& c) { c.queries[0].relation_offsets[2] = 1000; }, {"/queries/train"});
  refuse("degrees", [](PartContent& c) { c.train_degree.pop_back(); }, {"/entities/train_degree"});
}

// The order is what makes a query set its own filter index: without it ranks would be wrong numbers.
TEST_F(PartFile, QueriesOutOfOrder) {
  const auto swap_at = [](PartContent& c, std::size_t i) {
    std::swap(c.queries[0].sources[i], c.queries[0].sources[i + 1]);
    std::swap(c.queries[0].targets[i], c.queries[0].targets[i + 1]);
  };
  const auto offsets = content(1).queries[0].relation_offsets;
  ASSERT_GE(offsets[1], 3U);
  refuse("first two", [&](PartContent& c) { swap_at(c, 0); }, {"/queries/train", "out of order"});
  refuse("last two of a relation", [&](PartContent& c) { swap_at(c, offsets[1] - 2); },
         {"/queries/train", "out of order"});
  refuse("the same query twice",
         [](PartContent& c) {
           c.queries[0].sources[1] = c.queries[0].sources[0];
           c.queries[0].targets[1] = c.queries[0].targets[0];
         },
         {"/queries/train", "out of order"});
}

TEST_F(PartFile, DegreesThatAreNotThoseOfTheQueries) {
  refuse("degree", [](PartContent& c) { ++c.train_degree[2]; }, {"/entities/train_degree"});
}

// The figures of the manifest plan the steps of an epoch; a chunk with fewer queries would be read beyond its end.
TEST_F(PartFile, AnotherNumberOfQueriesThanTheManifestSays) {
  manifest_.figures[1].queries = 61;
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "60", "61"}, [&] { load(1); });
}

TEST_F(PartFile, ColumnsOfAnotherShape) {
  for (const std::string dataset :
       {"/queries/train/source", "/queries/train/relation_offsets", "/entities/train_degree"}) {
    SCOPED_TRACE(dataset);
    const PartContent plain = content(1);
    storage::FileWriter writer(file(1), "part", 1);
    writer.attribute("/", "part", std::uint64_t{1});
    writer.attribute("/", "graph_digest", manifest_.graph_digest);
    writer.attribute("/", "first_entity", std::uint64_t{12});
    const auto write = [&]<class T>(const std::string& path, const std::vector<T>& values) {
      writer.write<T>(
          path, values, {"x"},
          path == dataset ? std::vector<std::uint64_t>{1, values.size()} : std::vector<std::uint64_t>{values.size()});
    };
    for (const Split split : graph::kSplits) {
      const std::string group = fmt::format("/queries/{}", graph::name(split));
      const auto& columns = plain.queries.at(static_cast<std::size_t>(split));
      write(group + "/relation_offsets", columns.relation_offsets);
      write(group + "/source", columns.sources);
      write(group + "/target", columns.targets);
      writer.attribute(group, "encoding", std::string("plain"));
    }
    write("/entities/train_degree", plain.train_degree);
    writer.close();
    list(1);
    test::expect_error(ExitStatus::kBadData, {"part-0001.h5", dataset}, [&] { load(1); });
  }
}

TEST_F(PartFile, AnUnknownEncodingIsRefused) {
  storage::FileWriter writer(file(1), "part", 1);
  writer.attribute("/", "part", std::uint64_t{1});
  writer.attribute("/", "graph_digest", manifest_.graph_digest);
  writer.attribute("/", "first_entity", std::uint64_t{12});
  writer.attribute("/queries/train", "encoding", std::string("packed"));
  writer.close();
  list(1);
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "/queries/train", "unknown encoding 'packed'"},
                     [&] { load(1); });
}

}  // namespace
}  // namespace tessera
