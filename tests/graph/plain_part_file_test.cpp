// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Part files of format version 1, which had their queries as plain columns.
#include "part_file_fixture.hpp"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

class PlainPartFile : public PartFile {
 protected:
  /// Stores a part; `bent`: a dataset that gets another shape.
  void store_plain(std::uint32_t p, const PartContent& content, const std::string& bent = "") const {
    storage::FileWriter writer(file(p), "part", 1);
    writer.attribute("/", "part", std::uint64_t{p});
    writer.attribute("/", "graph_digest", manifest_.graph_digest);
    writer.attribute("/", "first_entity", manifest_.offsets[p]);
    const auto write = [&]<class T>(const std::string& path, const std::vector<T>& values) {
      writer.write<T>(
          path, values, {"x"},
          path == bent ? std::vector<std::uint64_t>{1, values.size()} : std::vector<std::uint64_t>{values.size()});
    };
    for (const Split split : graph::kSplits) {
      const std::string group = fmt::format("/queries/{}", graph::name(split));
      const auto& columns = content.queries.at(static_cast<std::size_t>(split));
      write(group + "/relation_offsets", columns.relation_offsets);
      write(group + "/source", columns.sources);
      write(group + "/target", columns.targets);
      writer.attribute(group, "encoding", std::string("plain"));
    }
    write("/entities/train_degree", content.train_degree);
    writer.close();
    list(p);
  }
  /// Stores part 1 with one thing changed; loading it must be refused.
  void refuse(const std::string& what, const std::function<void(PartContent&)>& change,
              std::initializer_list<std::string_view> words = {}) {
    SCOPED_TRACE(what);
    PartContent changed = content(1);
    change(changed);
    store_plain(1, changed);
    const std::string message = test::expect_error(ExitStatus::kBadData, words, [&] { load(1); });
    EXPECT_NE(message.find("part-0001.h5"), std::string::npos) << message;
    EXPECT_EQ(pool_.used_bytes(), 0U) << "a refused chunk keeps memory";
  }
};

TEST_F(PlainPartFile, HasTheQueriesOfAPackedOne) {
  for (std::uint32_t p = 0; p < 3; ++p) {
    const Part packed = load(p);
    store_plain(p, content(p));
    const Part plain = load(p);
    for (const Split split : graph::kSplits) {
      ASSERT_EQ(plain.queries(split).size(), packed.queries(split).size());
      EXPECT_TRUE(std::ranges::equal(plain.queries(split).columns().bytes, packed.queries(split).columns().bytes));
      for (std::uint64_t i = 0; i < plain.queries(split).size(); ++i)
        EXPECT_EQ(plain.queries(split).query(i), packed.queries(split).query(i));
    }
  }
}

TEST_F(PlainPartFile, IdsOutOfRange) {
  refuse("source", [](PartContent& c) { c.queries[0].sources.back() = 8; }, {"/queries/train", "out of range"});
  refuse("target", [](PartContent& c) { c.queries[1].targets.front() = kEntities; }, {"/queries/valid"});
  refuse("a target near 2^64", [](PartContent& c) { c.queries[0].targets[3] = ~std::uint64_t{0}; }, {"/queries/train"});
}

TEST_F(PlainPartFile, ColumnsThatDoNotFitEachOther) {
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
TEST_F(PlainPartFile, QueriesOutOfOrder) {
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

TEST_F(PlainPartFile, ColumnsOfAnotherShape) {
  for (const std::string dataset :
       {"/queries/train/source", "/queries/train/relation_offsets", "/entities/train_degree"}) {
    SCOPED_TRACE(dataset);
    store_plain(1, content(1), dataset);
    test::expect_error(ExitStatus::kBadData, {"part-0001.h5", dataset}, [&] { load(1); });
  }
}

TEST_F(PlainPartFile, AnUnknownEncodingIsRefused) {
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
