// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/partition_manifest.hpp"

#include "core/error.hpp"
#include "storage/checksum.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tessera {
namespace {

using graph::PartFigures;
using graph::PartitionManifest;

PartitionManifest sound_manifest() {
  PartitionManifest manifest;
  manifest.method = "metis";
  manifest.graph_digest = std::string(32, 'c');
  manifest.seed = 77;
  manifest.entity_count = 7;
  manifest.relation_count = 3;
  manifest.offsets = {0, 2, 2, 6, 7};  // the second part is empty
  manifest.new_ids = {6, 5, 4, 3, 2, 1, 0};
  manifest.figures = {{2, 10, 3, 2}, {0, 0, 0, 0}, {4, 20, 5, 3}, {1, 2, 2, 1}};
  return manifest;
}

class Manifest : public testing::Test {
 protected:
  void store(const PartitionManifest& manifest) const {
    graph::write_manifest(folder(), manifest);
    auto checksums = storage::FolderChecksums::load(folder());
    checksums.record(graph::kManifestFile);
    checksums.commit();
  }
  void refuse(const std::string& what, const std::function<void(PartitionManifest&)>& change,
              bool with_ids = false) const {
    SCOPED_TRACE(what);
    PartitionManifest manifest = sound_manifest();
    change(manifest);
    store(manifest);
    test::expect_error(ExitStatus::kBadData, {"manifest.h5"}, [&] { graph::read_manifest(folder(), with_ids); });
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return temporary_.path(); }

 private:
  test::TemporaryFolder temporary_;
};

bool same(const std::vector<PartFigures>& a, const std::vector<PartFigures>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PartFigures& x, const PartFigures& y) {
    return x.rows == y.rows && x.queries == y.queries && x.cut_queries == y.cut_queries && x.halo_rows == y.halo_rows;
  });
}

TEST_F(Manifest, RoundTrip) {
  for (const bool with_random : {false, true}) {
    PartitionManifest manifest = sound_manifest();
    if (with_random) manifest.random_figures = {{2, 9, 9, 9}, {2, 9, 8, 7}, {2, 9, 8, 6}, {1, 5, 5, 5}};
    store(manifest);
    const PartitionManifest read = graph::read_manifest(folder(), true);
    EXPECT_EQ(read.method, "metis");
    EXPECT_EQ(read.graph_digest, manifest.graph_digest);
    EXPECT_EQ(read.seed, 77U);
    EXPECT_EQ(read.entity_count, 7U);
    EXPECT_EQ(read.relation_count, 3U);
    EXPECT_EQ(read.offsets, manifest.offsets);
    EXPECT_EQ(read.new_ids, manifest.new_ids);
    EXPECT_TRUE(same(read.figures, manifest.figures));
    EXPECT_TRUE(same(read.random_figures, manifest.random_figures));
    EXPECT_TRUE(graph::read_manifest(folder(), false).new_ids.empty());
  }
}

TEST_F(Manifest, OwnerOfEveryEntity) {
  const PartitionManifest manifest = sound_manifest();
  EXPECT_EQ(manifest.part_count(), 4U);
  const std::vector<std::uint32_t> owners = {0, 0, 2, 2, 2, 2, 3};
  for (std::uint64_t entity = 0; entity < 7; ++entity) {
    EXPECT_EQ(manifest.owner(EntityId(entity)), PartId(owners[entity]));
  }
  EXPECT_EQ(manifest.rows(PartId(1)), 0U);
  EXPECT_EQ(manifest.rows(PartId(2)), 4U);
}

TEST_F(Manifest, FiguresForPeople) {
  const auto figures = sound_manifest().figures;
  EXPECT_DOUBLE_EQ(graph::cut_fraction(figures), 10.0 / 32);
  EXPECT_DOUBLE_EQ(graph::row_balance(figures), 4 / (7.0 / 4));
  EXPECT_DOUBLE_EQ(graph::query_balance(figures), 20 / (32.0 / 4));
  EXPECT_EQ(graph::cut_fraction({}), 0);
  EXPECT_EQ(graph::row_balance({}), 1);
  EXPECT_EQ(graph::query_balance(std::vector<PartFigures>(3)), 1);
  EXPECT_EQ(graph::partition_folder("a/b.kg", 8), std::filesystem::path("a/b.kg/parts-8"));
}

TEST_F(Manifest, WhatIsNotThere) {
  test::expect_error(ExitStatus::kMissingInput, {"parts-9", "'tessera partition", "--parts 9' makes it"},
                     [&] { graph::read_manifest(folder() / "parts-9", false); });
  test::expect_error(ExitStatus::kMissingInput, {"manifest.h5", "does not exist"},
                     [&] { graph::read_manifest(folder(), false); });
  graph::write_manifest(folder(), sound_manifest());
  test::expect_error(ExitStatus::kMissingInput, {"manifest.h5", "not listed"},
                     [&] { graph::read_manifest(folder(), false); });
}

TEST_F(Manifest, Offsets) {
  refuse("first not 0", [](PartitionManifest& m) { m.offsets[0] = 1; });
  refuse("last not N", [](PartitionManifest& m) { m.offsets.back() = 8; });
  refuse("backwards", [](PartitionManifest& m) { m.offsets = {0, 6, 2, 6, 7}; });
  refuse("no part", [](PartitionManifest& m) {
    m.offsets = {0};
    m.entity_count = 0;
    m.new_ids.clear();
    m.figures.clear();
  });
  refuse("nothing", [](PartitionManifest& m) { m.offsets.clear(); });
}

TEST_F(Manifest, NewIdsAreAPermutation) {
  refuse(
      "too few", [](PartitionManifest& m) { m.new_ids.pop_back(); }, true);
  refuse(
      "too many", [](PartitionManifest& m) { m.new_ids.push_back(0); }, true);
  refuse(
      "out of range", [](PartitionManifest& m) { m.new_ids[3] = 7; }, true);
  refuse(
      "one twice", [](PartitionManifest& m) { m.new_ids[3] = 4; }, true);
}

TEST_F(Manifest, AsManyNewIdsAsEntitiesEvenWhenTheyAreNotRead) {
  refuse("too few", [](PartitionManifest& m) { m.new_ids.pop_back(); });
  refuse("entities that nobody has", [](PartitionManifest& m) {
    m.entity_count = std::uint64_t{1} << 31U;
    m.offsets.back() = m.entity_count;
    m.figures.back().rows = m.entity_count - 6;
  });
}

TEST_F(Manifest, Figures) {
  refuse("too few", [](PartitionManifest& m) { m.figures.pop_back(); });
  refuse("too many", [](PartitionManifest& m) { m.figures.push_back({}); });
  refuse("rows that are not those of the offsets", [](PartitionManifest& m) { m.figures[2].rows = 3; });
  refuse("random ones", [](PartitionManifest& m) { m.random_figures = {{1, 1, 1, 1}}; });
}

// What follows computes 2R and N - 1 with these.
TEST_F(Manifest, Counts) {
  refuse("no relation", [](PartitionManifest& m) { m.relation_count = 0; });
  refuse("too many relations", [](PartitionManifest& m) { m.relation_count = (std::uint64_t{1} << 30U) + 1; });
  refuse("relations that wrap around", [](PartitionManifest& m) { m.relation_count = std::uint64_t{1} << 63U; });
  refuse("no entity", [](PartitionManifest& m) {
    m.entity_count = 0;
    m.offsets = {0, 0, 0, 0, 0};
    m.new_ids.clear();
    for (PartFigures& part : m.figures) part.rows = 0;
  });
  refuse("a part beyond 32 bits", [](PartitionManifest& m) {
    m.entity_count = std::uint64_t{5} << 32U;
    m.offsets = {0, 2, 2, 6, std::uint64_t{5} << 32U};
    m.figures[3].rows = m.entity_count - 6;
  });
}

}  // namespace
}  // namespace tessera
