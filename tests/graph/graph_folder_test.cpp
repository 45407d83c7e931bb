// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "graph/graph_reader.hpp"
#include "graph/graph_writer.hpp"
#include "packing/query_chunk.hpp"
#include "storage/checksum.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tessera {
namespace {

using graph::GraphReader;
using graph::GraphWriter;
using graph::Split;
using storage::FileWriter;

storage::PackedStrings names(std::uint64_t count) {
  std::string name;
  return storage::PackedStrings::encode(
      count, [&](std::uint64_t i) { return std::string_view(name = fmt::format("name {:06}", i)); });
}

class GraphFolder : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path folder() const { return temporary_.path() / "data.kg"; }
  /// A folder whose graph.h5 is written by hand, and vouched for.
  void store(const std::function<void(FileWriter&)>& fill, std::uint64_t version = 1) const {
    std::filesystem::create_directories(folder());
    FileWriter file(folder() / graph::kGraphFile, graph::kGraphKind, version);
    fill(file);
    file.close();
    auto checksums = storage::FolderChecksums::load(folder());
    checksums.record(graph::kGraphFile);
    checksums.commit();
  }
  static void counts(FileWriter& file, std::uint64_t entities, std::uint64_t relations) {
    file.attribute("/", "entities", entities);
    file.attribute("/", "relations", relations);
  }
  static void split(FileWriter& file, const std::vector<std::uint64_t>& heads,
                    const std::vector<std::uint32_t>& relations, const std::vector<std::uint64_t>& tails,
                    const std::vector<std::uint64_t>& head_shape = {}) {
    file.write<std::uint64_t>("/splits/train/head", heads, {"h"}, head_shape);
    file.write<std::uint32_t>("/splits/train/relation", relations, {"r"});
    file.write<std::uint64_t>("/splits/train/tail", tails, {"t"});
  }
  void refuse(std::initializer_list<std::string_view> words) const {
    test::expect_error(ExitStatus::kBadData, words, [&] {
      const GraphReader reader(folder());
      reader.for_each_block(Split::kTrain, [](std::span<const Triple>) {});
    });
  }

 private:
  test::TemporaryFolder temporary_;
};

// More triples than a block holds, appended in pieces that are not blocks.
TEST_F(GraphFolder, RoundTrip) {
  constexpr std::uint64_t kTriples = 600000;
  std::vector<Triple> triples;
  for (std::uint64_t i = 0; i < kTriples; ++i)
    triples.push_back({EntityId(i % 100000 / 100), RelationId(static_cast<std::uint32_t>(i / 100000)),
                       EntityId(i % 100 * 10 + i / 100000)});
  {
    GraphWriter writer(folder());
    writer.names(names(1000), names(7));
    writer.begin_split(Split::kTrain, kTriples);
    const std::span<const Triple> all(triples);
    writer.append(all.first(1));
    writer.append({});
    writer.append(all.subspan(1, 300000));
    writer.append(all.subspan(300001));
    writer.begin_split(Split::kTest, 2);
    writer.append(all.first(2));
    writer.source({"in.txt", 123, 45, std::string(32, '0')});
    writer.count("duplicates", 6);
    EXPECT_FALSE(std::filesystem::exists(folder()));
    writer.commit();
  }
  const GraphReader reader(folder());
  EXPECT_EQ(reader.entity_count(), 1000U);
  EXPECT_EQ(reader.relation_count(), 7U);
  EXPECT_EQ(reader.triple_count(Split::kTrain), kTriples);
  EXPECT_EQ(reader.triple_count(Split::kValid), 0U) << "a split that was never begun is empty";
  EXPECT_EQ(reader.triple_count(Split::kTest), 2U);
  EXPECT_EQ(reader.digest(), storage::hash_file(folder() / "graph.h5").hex());
  EXPECT_EQ(reader.entity_names().get(999), "name 000999");
  EXPECT_EQ(reader.relation_names().size(), 7U);
  std::vector<Triple> read;
  reader.for_each_block(Split::kTrain,
                        [&](std::span<const Triple> block) { read.insert(read.end(), block.begin(), block.end()); });
  EXPECT_TRUE(read == triples);
  int blocks = 0;
  reader.for_each_block(Split::kValid, [&](std::span<const Triple>) { ++blocks; });
  EXPECT_EQ(blocks, 0);
  EXPECT_EQ(reader.file().string("/sources/000000", "path"), "in.txt");
  EXPECT_EQ(reader.file().integer("/counts", "duplicates"), 6U);
}

TEST_F(GraphFolder, NothingIsLeftWithoutACommit) {
  {
    GraphWriter writer(folder());
    writer.names(names(3), names(1));
    writer.begin_split(Split::kTrain, 1);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder().parent_path()));
}

TEST_F(GraphFolder, FewerTriplesThanAnnouncedIsADefect) {
  GraphWriter writer(folder());
  writer.names(names(3), names(1));
  writer.begin_split(Split::kTrain, 2);
  writer.append(std::vector<Triple>(1));
  test::expect_error(ExitStatus::kInternal, {"announced"}, [&] { writer.commit(); });
}

TEST_F(GraphFolder, TriplesOutOfOrderAreADefect) {
  GraphWriter writer(folder());
  writer.names(names(3), names(2));
  writer.begin_split(Split::kTrain, 2);
  const std::vector<Triple> triples = {{EntityId(0), RelationId(1), EntityId(1)},
                                       {EntityId(0), RelationId(0), EntityId(1)}};
  test::expect_error(ExitStatus::kInternal, {"ascend"}, [&] { writer.append(triples); });
}

// Version 1 had plain columns.
TEST_F(GraphFolder, PlainTriplesAreStillRead) {
  store([](FileWriter& file) {
    counts(file, 10, 2);
    split(file, {1, 2, 3}, {0, 1, 1}, {4, 5, 6});
  });
  std::vector<Triple> read;
  GraphReader(folder()).for_each_block(
      Split::kTrain, [&](std::span<const Triple> block) { read.insert(read.end(), block.begin(), block.end()); });
  EXPECT_EQ(read, (std::vector<Triple>{{EntityId(1), RelationId(0), EntityId(4)},
                                       {EntityId(2), RelationId(1), EntityId(5)},
                                       {EntityId(3), RelationId(1), EntityId(6)}}));
}

/// The columns of one segment with one chunk of three triples, and what is said about them.
struct Segment {
  std::vector<std::uint32_t> relations{1};
  std::vector<std::uint32_t> first_heads{2};
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> bytes;
  std::uint64_t triples = 3;
  std::uint64_t segments = 1;

  Segment() {
    packing::encode_chunk(std::vector<std::uint32_t>{2, 2, 5}, std::vector<std::uint32_t>{1, 9, 0}, bytes);
    offsets = {0, static_cast<std::uint32_t>(bytes.size())};
  }
};

TEST_F(GraphFolder, PackedTriplesThatCannotBeRight) {
  const auto stored = [&](const std::function<void(Segment&)>& change) {
    Segment segment;
    change(segment);
    store(
        [&](FileWriter& file) {
          counts(file, 10, 2);
          file.write<std::uint32_t>("/splits/train/000000/relation", segment.relations, {"x"});
          file.write<std::uint32_t>("/splits/train/000000/first_head", segment.first_heads, {"x"});
          file.write<std::uint32_t>("/splits/train/000000/offset", segment.offsets, {"x"});
          file.write<std::uint8_t>("/splits/train/000000/chunks", segment.bytes, {"x"});
          file.attribute("/splits/train", "triples", segment.triples);
          file.attribute("/splits/train", "segments", segment.segments);
        },
        2);
  };
  stored([](Segment&) {});
  std::uint64_t found = 0;
  GraphReader(folder()).for_each_block(Split::kTrain, [&](std::span<const Triple> block) { found += block.size(); });
  EXPECT_EQ(found, 3U);
  const std::vector<std::function<void(Segment&)>> changes = {
      [](Segment& s) { s.relations[0] = 2; },
      [](Segment& s) { s.first_heads[0] = 7; },
      [](Segment& s) { s.offsets[1] = 1000; },
      [](Segment& s) { s.offsets.clear(); },
      [](Segment& s) { s.first_heads.push_back(3); },
      [](Segment& s) { s.bytes.push_back(0); },
      [](Segment& s) { s.bytes[0] ^= 1; },
      [](Segment& s) { s.triples = 4; },
      [](Segment& s) { s.triples = std::uint64_t{1} << 60U; },
      [](Segment& s) { s.segments = 2; },
      [](Segment& s) { s.segments = ~std::uint64_t{0}; },
      [](Segment& s) {  // the same chunk twice
        s.relations.push_back(1);
        s.first_heads.push_back(2);
        s.bytes.insert(s.bytes.end(), s.bytes.begin(), s.bytes.end());
        s.offsets.push_back(static_cast<std::uint32_t>(s.bytes.size()));
      }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE(i);
    stored(changes[i]);
    refuse({"graph.h5", "/splits/train"});
  }
}

TEST_F(GraphFolder, WhatIsNotThere) {
  test::expect_error(ExitStatus::kMissingInput, {"data.kg", "'tessera import' makes it"},
                     [&] { GraphReader reader(folder()); });
  std::filesystem::create_directories(folder());
  test::expect_error(ExitStatus::kMissingInput, {"graph.h5", "does not exist"}, [&] { GraphReader reader(folder()); });
}

TEST_F(GraphFolder, AGraphThatExistsIsNotReplaced) {
  std::filesystem::create_directories(folder());
  test::expect_error(ExitStatus::kUsage, {"data.kg", "exists already"}, [&] { GraphWriter writer(folder()); });
}

TEST_F(GraphFolder, CountsThatAreNoGraph) {
  for (const auto& [entities, relations] : {std::pair{0U, 1U}, std::pair{1U, 0U}, std::pair{5U, (1U << 30U) + 1}}) {
    store([&, e = entities, r = relations](FileWriter& file) { counts(file, e, r); });
    refuse({"graph.h5", "are not a graph"});
  }
}

TEST_F(GraphFolder, CountsAboveWhatTheFileHolds) {
  for (const auto& [entities, relations] : {std::pair{1U << 29U, 1U}, std::pair{5U, 1U << 29U}}) {
    store([&, e = entities, r = relations](FileWriter& file) { counts(file, e, r); });
    refuse({"graph.h5", "more than the file can hold"});
  }
}

TEST_F(GraphFolder, IdsOutOfRangeNameTheTriple) {
  const auto with = [&](std::uint64_t head, std::uint32_t relation, std::uint64_t tail) {
    store([&](FileWriter& file) {
      counts(file, 10, 2);
      split(file, {0, 1, head, 3}, {0, 1, relation, 1}, {4, 5, tail, 6});
    });
  };
  with(9, 1, 9);
  EXPECT_EQ(GraphReader(folder()).triple_count(Split::kTrain), 4U);
  for (const auto& [head, relation, tail] :
       {std::tuple{10U, 1U, 9U}, std::tuple{9U, 2U, 9U}, std::tuple{9U, 1U, 10U}, std::tuple{~0U, 1U, 9U}}) {
    with(head, relation, tail);
    refuse({"graph.h5", "/splits/train", "triple 2"});
  }
}

TEST_F(GraphFolder, ColumnsThatDoNotFitEachOther) {
  store([](FileWriter& file) {
    counts(file, 10, 2);
    split(file, {1, 2, 3}, {0, 1}, {4, 5, 6});
  });
  refuse({"graph.h5", "/splits/train/relation"});
  store([](FileWriter& file) {
    counts(file, 10, 2);
    split(file, {1, 2, 3}, {0, 1, 0}, {4, 5});
  });
  refuse({"graph.h5", "/splits/train/tail"});
  store([](FileWriter& file) {
    counts(file, 10, 2);
    split(file, {1, 2, 3, 4}, {0, 1}, {4, 5}, {2, 2});
  });
  refuse({"graph.h5", "/splits/train/head"});
}

TEST_F(GraphFolder, LongerColumnsThanTheHeads) {
  store([](FileWriter& file) {
    counts(file, 10, 2);
    split(file, {1}, {0, 1}, {4, 5});
  });
  refuse({"graph.h5", "/splits/train"});
}

TEST_F(GraphFolder, NamesThatAreNotAsManyAsTheEntities) {
  store([](FileWriter& file) {
    counts(file, 10, 2);
    names(9).write(file, "/entities/names", "e");
    names(3).write(file, "/relations/names", "r");
  });
  const GraphReader reader(folder());
  test::expect_error(ExitStatus::kBadData, {"graph.h5", "/entities/names", "9", "10"},
                     [&] { (void)reader.entity_names(); });
  test::expect_error(ExitStatus::kBadData, {"graph.h5", "/relations/names", "3", "2"},
                     [&] { (void)reader.relation_names(); });
}

TEST_F(GraphFolder, AFileOfAnotherKindOrAnUnlistedOne) {
  std::filesystem::create_directories(folder());
  FileWriter file(folder() / "graph.h5", "part", 1);
  file.close();
  test::expect_error(ExitStatus::kMissingInput, {"graph.h5", "not listed"}, [&] { GraphReader reader(folder()); });
  auto checksums = storage::FolderChecksums::load(folder());
  checksums.record("graph.h5");
  checksums.commit();
  refuse({"graph.h5", "'part'", "'graph'"});
}

}  // namespace
}  // namespace tessera
