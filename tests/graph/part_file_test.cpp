// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/part_file.hpp"

#include "packing/query_chunk.hpp"
#include "part_file_fixture.hpp"

#include <algorithm>
#include <fstream>
#include <tuple>

namespace tessera {
namespace {

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

TEST_F(PartFile, QueriesThatStayInTheirFileAreTheSame) {
  for (std::uint32_t p = 0; p < 3; ++p) {
    const Part resident = load(p);
    const std::uint64_t resident_bytes = pool_.used_bytes();
    const Part streamed = Part::load(folder(), manifest_, PartId(p), pool_, graph::QueryPlace::kFile);
    EXPECT_LT(pool_.used_bytes() - resident_bytes, resident_bytes);
    for (const Split split : graph::kSplits) {
      ASSERT_EQ(streamed.queries(split).size(), resident.queries(split).size());
      for (std::uint64_t i = 0; i < resident.queries(split).size(); ++i) {
        const Query query = resident.queries(split).query(i);
        EXPECT_EQ(streamed.queries(split).query(i), query);
        const auto known = resident.queries(split).known_targets(query.source, query.relation);
        const std::vector<std::uint64_t> expected(known.begin(), known.end());
        EXPECT_TRUE(std::ranges::equal(streamed.queries(split).known_targets(query.source, query.relation), expected));
      }
    }
  }
}

// The file is damaged after it was loaded: the message names file and chunk.
TEST_F(PartFile, AStreamedChunkThatIsDamagedLater) {
  const Part streamed = Part::load(folder(), manifest_, PartId(0), pool_, graph::QueryPlace::kFile);
  std::vector<char> bytes(std::filesystem::file_size(file(0)), '\xFF');
  std::fstream out(file(0), std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(2048);  // behind the header, in which the library finds its objects
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()) - 2048);
  out.close();
  test::expect_error(ExitStatus::kBadData, {"part-0000.h5"}, [&] {
    packing::ChunkReader reader;
    const graph::QuerySet& set = streamed.queries(Split::kTrain);
    for (std::size_t chunk = 0; chunk < set.chunk_count(); ++chunk) set.read(chunk, reader);
  });
}

TEST_F(PartFile, MemoryComesFromThePoolAndGoesBack) {
  {
    const Part part = load(0);
    EXPECT_GT(pool_.use(memory::Tag::kQueries).bytes, 60U);
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

/// The datasets of a part file before they are written, to be changed.
struct Packed {
  std::array<graph::QueryChunks, 3> queries;
  packing::EliasFano elsewhere;
  std::vector<std::uint32_t> train_degree;
};

class PackedPartFile : public PartFile {
 protected:
  [[nodiscard]] Packed packed(std::uint32_t p) const {
    const PartContent plain = content(p);
    const graph::PartRows rows_of_part{manifest_.offsets[p], rows(p)};
    const auto elsewhere = graph::targets_elsewhere(plain.queries, rows_of_part);
    Packed packed{{}, packing::EliasFano::encode(elsewhere), plain.train_degree};
    for (std::size_t split = 0; split < 3; ++split)
      packed.queries.at(split) = graph::pack_queries(plain.queries.at(split), rows_of_part, elsewhere);
    return packed;
  }
  void store(std::uint32_t p, const Packed& packed) const {
    storage::FileWriter writer(file(p), "part", 2);
    writer.attribute("/", "part", std::uint64_t{p});
    writer.attribute("/", "graph_digest", manifest_.graph_digest);
    writer.attribute("/", "first_entity", manifest_.offsets[p]);
    for (const Split split : graph::kSplits) {
      const std::string group = fmt::format("/queries/{}/", graph::name(split));
      const graph::QueryChunks& chunks = packed.queries.at(static_cast<std::size_t>(split));
      writer.write<std::uint32_t>(group + "relation_chunks", chunks.relation_chunks, {"x"});
      writer.write<std::uint32_t>(group + "first_source", chunks.first_sources, {"x"});
      writer.write<std::uint32_t>(group + "first_query", chunks.first_queries, {"x"});
      writer.write<std::uint32_t>(group + "offset", chunks.offsets, {"x"});
      writer.write<std::uint8_t>(group + "chunks", chunks.view().bytes, {"x"});
    }
    const auto& low = packed.elsewhere.low;
    writer.write<std::uint8_t>("/targets_elsewhere/low", std::span(low).first(low.size() - packing::kPadding), {"x"});
    writer.write<std::uint64_t>("/targets_elsewhere/high", packed.elsewhere.high, {"x"});
    writer.attribute("/targets_elsewhere", "count", packed.elsewhere.count);
    writer.attribute("/targets_elsewhere", "low_width", std::uint64_t{packed.elsewhere.low_width});
    writer.write<std::uint32_t>("/entities/train_degree", packed.train_degree, {"x"});
    writer.close();
    list(p);
  }
  /// Stores part 1 with one thing changed; loading it must be refused.
  void refuse(const std::string& what, const std::function<void(Packed&)>& change,
              std::initializer_list<std::string_view> words = {}) {
    SCOPED_TRACE(what);
    Packed changed = packed(1);
    change(changed);
    store(1, changed);
    const std::string message = test::expect_error(ExitStatus::kBadData, words, [&] { load(1); });
    EXPECT_NE(message.find("part-0001.h5"), std::string::npos) << message;
    EXPECT_EQ(pool_.used_bytes(), 0U) << "a refused chunk keeps memory";
  }
  [[nodiscard]] std::vector<Query> all_queries(const Part& part) const {
    std::vector<Query> all;
    for (const Split split : graph::kSplits)
      for (std::uint64_t i = 0; i < part.queries(split).size(); ++i) all.push_back(part.queries(split).query(i));
    return all;
  }
};

TEST_F(PackedPartFile, WhatIsStoredHereIsWhatTheWriterStores) {
  const std::vector<Query> written = all_queries(load(1));
  store(1, packed(1));
  EXPECT_EQ(all_queries(load(1)), written);
}

TEST_F(PackedPartFile, ColumnsThatDoNotFitEachOther) {
  refuse("a relation less", [](Packed& c) { c.queries[0].relation_chunks.pop_back(); }, {"/queries/train"});
  refuse("relations backwards",
         [](Packed& c) { std::swap(c.queries[0].relation_chunks[0], c.queries[0].relation_chunks[4]); },
         {"/queries/train"});
  refuse("no relations", [](Packed& c) { c.queries[2].relation_chunks.clear(); }, {"/queries/test"});
  refuse("a chunk less", [](Packed& c) { c.queries[1].first_sources.pop_back(); }, {"/queries/valid"});
  refuse("first queries", [](Packed& c) { c.queries[0].first_queries.pop_back(); }, {"/queries/train"});
  refuse("no first queries", [](Packed& c) { c.queries[0].first_queries.clear(); }, {"/queries/train"});
  refuse("an offset beyond", [](Packed& c) { c.queries[0].offsets[1] = 1000000; }, {"/queries/train"});
  refuse("bytes behind the last chunk", [](Packed& c) { c.queries[0].bytes.push_back(0); }, {"/queries/train"});
  refuse("other counts", [](Packed& c) { ++c.queries[0].first_queries[1]; }, {"/queries/train"});
  refuse("degrees", [](Packed& c) { c.train_degree.pop_back(); }, {"/entities/train_degree"});
  refuse("one degree", [](Packed& c) { ++c.train_degree[2]; }, {"/entities/train_degree"});
}

TEST_F(PackedPartFile, IdsOutOfRangeOrOrder) {
  refuse("a first source", [](Packed& c) { c.queries[0].first_sources[0] = 8; }, {"/queries/train", "damaged"});
  refuse("targets beyond the graph",
         [](Packed& c) {
           c.elsewhere = packing::EliasFano::encode(std::vector<std::uint64_t>{0, 3, 30});
         },
         {"/targets_elsewhere"});
  refuse("own rows elsewhere",
         [](Packed& c) {
           c.elsewhere = packing::EliasFano::encode(std::vector<std::uint64_t>{0, 14, 29});
         },
         {"/targets_elsewhere"});
  refuse("targets less than the queries have", [](Packed& c) { c.elsewhere = packing::EliasFano::encode({}); },
         {"/queries/", "damaged"});
  refuse("a width of low bits", [](Packed& c) { c.elsewhere.low_width = 70; }, {"/targets_elsewhere"});
  refuse("a count", [](Packed& c) { ++c.elsewhere.count; }, {"/targets_elsewhere"});
}

// A list that goes on in another chunk has chunks of its own: readers of a list look nowhere else.
TEST_F(PackedPartFile, AListThatIsTornApart) {
  refuse("torn",
         [&](Packed& c) {
           graph::QueryChunks& chunks = c.queries[0];
           packing::ChunkReader reader;
           const graph::QueryChunkColumns view = chunks.view();
           ASSERT_TRUE(reader.read(view.bytes.first(view.offsets[1]), view.first_sources[0], {8, 1U << 20U}));
           const auto sources = reader.sources();
           std::size_t cut = 1;
           while (sources[cut] != sources[cut - 1] || sources[cut] == sources[0]) ++cut;
           std::vector<std::uint8_t> bytes;
           packing::encode_chunk(sources.first(cut), reader.targets().first(cut), bytes);
           const auto middle = static_cast<std::uint32_t>(bytes.size());
           packing::encode_chunk(sources.subspan(cut), reader.targets().subspan(cut), bytes);
           const auto grown = static_cast<std::uint32_t>(bytes.size()) - view.offsets[1];
           bytes.insert(bytes.end(), chunks.bytes.begin() + view.offsets[1], chunks.bytes.end());
           chunks.first_sources.insert(chunks.first_sources.begin() + 1, sources[cut]);
           chunks.first_queries.insert(chunks.first_queries.begin() + 1, static_cast<std::uint32_t>(cut));
           for (std::size_t k = 1; k < chunks.offsets.size(); ++k) chunks.offsets[k] += grown;
           chunks.offsets.insert(chunks.offsets.begin() + 1, middle);
           for (std::size_t r = 1; r < chunks.relation_chunks.size(); ++r) ++chunks.relation_chunks[r];
           chunks.bytes = std::move(bytes);
         },
         {"/queries/train", "out of order"});
}

// Whatever bytes a file has behind right checksums: an error, or queries in range.
TEST_F(PackedPartFile, DamageBehindRightChecksums) {
  const RandomStream random(5, Purpose::kSplit);
  int refused = 0;
  for (std::uint64_t trial = 0; trial < 100; ++trial) {
    Packed changed = packed(1);
    graph::QueryChunks& chunks = changed.queries.at(trial % 2);
    const std::uint64_t size = chunks.bytes.size() - packing::kPadding;
    for (std::uint64_t k = 0; k <= trial % 3; ++k)
      chunks.bytes[random.below(8 * trial + 2 * k, size)] ^=
          static_cast<std::uint8_t>(1 + random.below(8 * trial + 2 * k + 1, 255));
    PackedPartFile::store(1, changed);
    try {
      for (const Query& query : all_queries(load(1))) {
        ASSERT_LT(query.source.value(), 8U);
        ASSERT_LT(query.target.value(), kEntities);
      }
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(error.status(), ExitStatus::kBadData) << error.what();
    }
  }
  EXPECT_GT(refused, 80);
}

// A list longer than a chunk, and lists beside it.
TEST(LongLists, KnownTargetsAndOrder) {
  PartitionManifest manifest;
  manifest.entity_count = 5000;
  manifest.relation_count = 1;
  manifest.offsets = {0, 100, 5000};
  std::vector<Query> queries;
  for (std::uint64_t t = 0; t < 4000; ++t) queries.push_back({LocalRow(7), RelationId(0), EntityId(t + 100)});
  for (std::uint32_t s = 0; s < 100; ++s)
    for (std::uint64_t t = 0; t < 20; ++t)
      if (s != 7) queries.push_back({LocalRow(s), RelationId(s % 2), EntityId((t * 211 + s) % 5000)});
  memory::Pool pool(std::uint64_t{1} << 20U);
  const Part part = Part::made(manifest, PartId(0), graph::to_columns(queries, 2 * manifest.relation_count), pool);
  const graph::QuerySet& set = part.queries(Split::kTrain);
  ASSERT_EQ(set.size(), 4000U + 99 * 20);
  std::size_t continued = 0;
  for (std::size_t chunk = 0; chunk < set.chunk_count(); ++chunk) continued += set.continues(chunk) ? 1 : 0;
  EXPECT_EQ(continued, 3U);
  for (std::uint32_t s = 0; s < 100; ++s) {
    std::set<std::uint64_t> expected;
    for (const Query& query : queries)
      if (query.source == LocalRow(s) && query.relation == RelationId(0)) expected.insert(query.target.value());
    EXPECT_TRUE(std::ranges::equal(set.known_targets(LocalRow(s), RelationId(0)), expected)) << s;
  }
  EXPECT_LT(static_cast<double>(set.bytes()) / static_cast<double>(set.size()), 2);
}

// The figures of the manifest plan the steps of an epoch; a chunk with fewer queries would be read beyond its end.
TEST_F(PartFile, AnotherNumberOfQueriesThanTheManifestSays) {
  manifest_.figures[1].queries = 61;
  test::expect_error(ExitStatus::kBadData, {"part-0001.h5", "60", "61"}, [&] { load(1); });
}

}  // namespace
}  // namespace tessera
