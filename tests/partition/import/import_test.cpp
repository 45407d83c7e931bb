// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/import.hpp"

#include "attributes/table.hpp"
#include "graph/graph_reader.hpp"
#include "import_fixture.hpp"
#include "storage/checksum.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace tessera::partition {
namespace {

using Strings = std::vector<std::string>;
using Facts = std::set<std::string>;
using test::expect_error;
using test::TempFolder;

Facts facts(const ImportResult& result, const SplitTriples& split) {
  Facts all;
  Triple last;
  bool first = true;
  split.for_each_block([&](std::span<const Triple> block) {
    for (const Triple& t : block) {
      EXPECT_TRUE(first || std::tie(last.relation, last.head, last.tail) < std::tie(t.relation, t.head, t.tail));
      first = false;
      last = t;
      all.insert(fmt::format("{}|{}|{}", result.entities[t.head.value()], result.relations[t.relation.value()],
                             result.entities[t.tail.value()]));
    }
  });
  EXPECT_EQ(all.size(), split.size());
  return all;
}

Facts train_facts(const ImportResult& result) { return facts(result, result.split(graph::Split::kTrain)); }

Strings attribute_rows(const ImportResult& result) {
  Strings rows;
  AttributeFile::Reader reader(result.attribute_rows);
  for (AttributeRow row; reader.next(row);)
    rows.push_back(fmt::format("{}|{}|{}|{}", result.entities[row.entity], result.attributes[row.attribute], row.value,
                               result.datatypes[row.datatype]));
  return rows;
}

ImportOptions train_on(Strings paths) {
  ImportOptions options;
  options.train = std::move(paths);
  return options;
}

struct Generated {
  Strings lines;
  Facts facts;
};

Generated generate(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  Generated graph;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string h = fmt::format("{:05}", random() % 700);
    const std::string r = fmt::format("r{}", random() % 9);
    const std::string t = fmt::format("n\xC3\xB6{}", random() % 900);
    graph.lines.push_back(fmt::format("{}\t{}\t{}\n", h, r, t));
    graph.facts.insert(fmt::format("{}|{}|{}", h, r, t));
  }
  return graph;
}

std::string text_of(const Strings& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

TEST(Import, RoundTripOfAGeneratedGraph) {
  const TempFolder folder;
  const Generated graph = generate(1, 50'000);
  for (const std::uint64_t memory : {std::uint64_t{1}, std::uint64_t{1} << 28U}) {
    ImportOptions options = train_on({folder.write("graph.tsv", text_of(graph.lines))});
    options.sort_memory_bytes = memory;
    const ImportResult result = import_triples(options);
    EXPECT_EQ(train_facts(result), graph.facts);
    EXPECT_EQ(result.counts.lines, 50'000U);
    EXPECT_EQ(result.counts.triples_read, 50'000U);
    EXPECT_EQ(result.counts.duplicates, 50'000 - graph.facts.size());
    EXPECT_EQ(result.splits.size(), 3U);
    for (std::uint64_t i = 1; i < result.entities.size(); ++i) EXPECT_LT(result.entities[i - 1], result.entities[i]);
  }
}

// Everything that comes out, as text.
std::string fingerprint(const ImportResult& result) {
  std::string all = fmt::format("{}\n{}\n", result.entities.text(), result.relations.text());
  for (const SplitTriples& split : result.splits) {
    split.for_each_block([&](std::span<const Triple> block) {
      for (const Triple& t : block)
        all += fmt::format("{} {} {}\n", t.head.value(), t.relation.value(), t.tail.value());
    });
    all += "--\n";
  }
  for (const std::string& row : attribute_rows(result)) all += row + "\n";
  return all;
}

TEST(Import, ResultDoesNotDependOnOrderFilesOrCompression) {
  const TempFolder folder;
  Generated graph = generate(2, 20'000);
  const auto import_files = [&](const Strings& files) {
    ImportOptions options;
    options.inputs = files;
    options.seed = 11;
    return fingerprint(import_triples(options));
  };
  const std::string expected = import_files({folder.write("one.tsv", text_of(graph.lines))});
  std::shuffle(graph.lines.begin(), graph.lines.end(), std::mt19937_64(5));
  EXPECT_TRUE(import_files({folder.write("shuffled.tsv", text_of(graph.lines))}) == expected);
  const Strings first(graph.lines.begin(), graph.lines.begin() + 7000);
  const Strings second(graph.lines.begin() + 7000, graph.lines.end());
  const std::string a = folder.write("a.gz", test::gzip(text_of(first)));
  const std::string b = folder.write("b.bin", test::zstd(text_of(second)));
  EXPECT_TRUE(import_files({a, b}) == expected);
  EXPECT_TRUE(import_files({b, a}) == expected);
}

TEST(Import, GivenSplits) {
  const TempFolder folder;
  ImportOptions options = train_on({folder.write("train", "a\tr\tb\nb\tr\tc\na\tr\tb\n")});
  options.valid = {folder.write("valid", "a\tr\tc\n")};
  options.test = {folder.write("test", "b\tr\tc\nc\tr\ta\na\tr\tc\n")};
  const test::LogCapture log;
  const ImportResult result = import_triples(options);
  EXPECT_EQ(train_facts(result), (Facts{"a|r|b", "b|r|c"}));
  EXPECT_EQ(facts(result, result.split(graph::Split::kValid)), (Facts{"a|r|c"}));
  EXPECT_EQ(facts(result, result.split(graph::Split::kTest)), (Facts{"b|r|c", "c|r|a", "a|r|c"}));
  EXPECT_EQ(result.counts.duplicates, 1U);
  EXPECT_EQ(result.counts.in_several_splits, 2U);
  EXPECT_TRUE(log.holds("2 triples of valid or test are in an earlier split too"));
}

TEST(Import, SplitsWithUnknownEntities) {
  const TempFolder folder;
  ImportOptions options = train_on({folder.write("train", "a\tr\tb\n")});
  options.valid = {folder.write("valid", "b\tr\ta\nb\tr\tnew\n")};
  options.test = {folder.write("test", "new\tr\ta\nother\ts\ta\n")};
  expect_error(ExitStatus::kBadData,
               {"3 lines", "2 entities", "1 relations", "entity 'new'", "valid:2", "--allow-unseen"},
               [&] { import_triples(options); });
  options.allow_unseen = true;
  const test::LogCapture log;
  const ImportResult result = import_triples(options);
  EXPECT_TRUE(log.holds("2 entities and 1 relations that train does not have"));
  EXPECT_EQ(result.counts.unseen_entities, 2U);
  EXPECT_EQ(result.counts.unseen_relations, 1U);
  EXPECT_EQ(result.counts.unseen_triples, 3U);
  EXPECT_EQ(result.entities.size(), 4U);
  EXPECT_EQ(result.split(graph::Split::kTest).size(), 2U);
}

TEST(Import, BadLinesStopOrAreSkipped) {
  const TempFolder folder;
  struct Bad {
    const char* text;
    std::string line;
    const char* reason;
  };
  const std::vector<Bad> cases = {{"a\tr\tb\na\tr\n", "2", "expected 3 columns, found 2"},
                                  {"a\tr\tb\na\tr\tc\td\n", "2", "expected 3 columns, found 4"},
                                  {"a\tr\tb\n\xC3(\tr\tc\n", "2", "invalid UTF-8"},
                                  {"a\tr\tb\na\t\tc\n", "2", "the second column is empty"},
                                  {"<e:a> <e:r> <e:b> .\n<e:a> <e:r> .\n", "2", "column 13"}};
  for (const Bad& bad : cases) {
    ImportOptions options = train_on({folder.write("bad", bad.text)});
    expect_error(ExitStatus::kBadData, {options.train[0] + ":" + bad.line + ": ", bad.reason},
                 [&] { import_triples(options); });
    options.skip_bad_lines = true;
    const test::LogCapture log;
    const ImportResult result = import_triples(options);
    EXPECT_EQ(result.counts.bad_lines, 1U);
    EXPECT_EQ(result.entities.size(), 2U) << "a bad line leaves no name";
    EXPECT_TRUE(log.holds(options.train[0] + ":" + bad.line + ": "));
    EXPECT_TRUE(log.holds("1 bad lines were skipped"));
  }
  const std::string long_name(70'000, 'x');
  expect_error(ExitStatus::kBadData, {"bad:1", "64 KiB"},
               [&] { import_triples(train_on({folder.write("bad", long_name + "\tr\tb\n")})); });
}

TEST(Import, MissingEmptyTruncatedAndUselessFiles) {
  const TempFolder folder;
  const std::string good = folder.write("good", "a\tr\tb\n");
  const auto import_second = [&](const std::string& path) {
    return [&, path] { import_triples(train_on({good, path})); };
  };
  expect_error(ExitStatus::kMissingInput, {"nowhere", "No such file"},
               import_second((folder.path() / "nowhere").string()));
  expect_error(ExitStatus::kBadData, {"empty", "is empty"}, import_second(folder.write("empty", "")));
  expect_error(ExitStatus::kBadData, {"blank", "no triple"}, import_second(folder.write("blank", "\n\n")));
  const std::string packed = test::gzip(text_of(generate(3, 1000).lines));
  expect_error(ExitStatus::kBadData, {"cut.gz", "truncated"},
               import_second(folder.write("cut.gz", packed.substr(0, packed.size() / 2))));
  ImportOptions options = train_on({folder.write("rubbish", "one\ntwo\n")});
  options.skip_bad_lines = true;
  expect_error(ExitStatus::kBadData, {"rubbish", "no triple", "that could be read"}, [&] { import_triples(options); });
  expect_error(ExitStatus::kBadData, {"no triples for train"},
               [&] { import_triples(train_on({folder.write("literals", "<e:a> <e:p> \"x\" .\n")})); });
}

TEST(Import, OptionsThatContradictEachOther) {
  const TempFolder folder;
  const std::string good = folder.write("good", "a\tr\tb\n");
  const auto refuse = [](const ImportOptions& options, const char* part) {
    expect_error(ExitStatus::kUsage, {part}, [&] { import_triples(options); });
  };
  refuse({}, "nothing to import");
  ImportOptions options = train_on({good});
  options.inputs = {good};
  refuse(options, "not both");
  options = {};
  options.valid = {good};
  refuse(options, "need --train");
  options = train_on({good, "-", "-"});
  refuse(options, "once only");
  options = train_on({good});
  options.format = InputFormat::kWordNet;
  refuse(options, "data.noun");
  options = train_on({good});
  options.columns = "abc";
  refuse(options, "columns 'abc'");
  for (const auto& [valid, test] : {std::pair(-0.1, 0.1), std::pair(0.5, 0.5), std::pair(0.1, 2.0)}) {
    options = {};
    options.inputs = {good};
    options.valid_fraction = valid;
    options.test_fraction = test;
    refuse(options, "fractions");
  }
}

TEST(Import, LiteralsBecomeAttributes) {
  const TempFolder folder;
  const std::string text =
      "<e:b> <e:knows> <e:a> .\n"
      "<e:b> <e:name> \"B\\u00F6\"@DE .\n"
      "<e:a> <e:name> \"A\" .\n"
      "<e:a> <e:age> \"42\"^^<http://www.w3.org/2001/XMLSchema#integer> .\n"
      "<e:a> <e:age> \"42\"^^<http://www.w3.org/2001/XMLSchema#integer> .\n"
      "<e:alone> <e:name> \"nobody\" .\n";
  ImportOptions options = train_on({folder.write("graph", text)});
  const ImportResult result = import_triples(options);
  EXPECT_EQ(train_facts(result), (Facts{"e:b|e:knows|e:a"}));
  EXPECT_EQ(attribute_rows(result), (Strings{"e:a|e:age|42|http://www.w3.org/2001/XMLSchema#integer", "e:a|e:name|A|",
                                             "e:b|e:name|B\xC3\xB6|@de"}));
  EXPECT_EQ(result.entities.size(), 2U);
  EXPECT_EQ(result.relations.size(), 1U);
  EXPECT_EQ(result.counts.attribute_duplicates, 1U);
  EXPECT_EQ(result.counts.attributes_dropped, 1U);
  options.keep_isolated = true;
  EXPECT_EQ(import_triples(options).entities.size(), 3U);
}

TEST(Import, BlankNodesBelongToTheirFile) {
  const TempFolder folder;
  const std::string text = "_:x <e:r> <e:a> .\n";
  const std::string one = folder.write("one.nt", text);
  const std::string two = folder.write("two.nt", text);
  EXPECT_EQ(train_facts(import_triples(train_on({one}))), (Facts{"_:x|e:r|e:a"}));
  EXPECT_EQ(train_facts(import_triples(train_on({one, two}))), (Facts{"_:f1.x|e:r|e:a", "_:f2.x|e:r|e:a"}));
}

TEST(Import, AttributeFiles) {
  const TempFolder folder;
  ImportOptions options = train_on({folder.write("train", "a,r,b\n")});
  options.attributes = {folder.write("ages", "b\tage\t007\nb\tage\t\nc\tage\t1\n")};
  const ImportResult result = import_triples(options);
  EXPECT_EQ(attribute_rows(result), (Strings{"b|age||", "b|age|007|"}));
  EXPECT_EQ(result.counts.attributes_dropped, 1U);
}

TEST(Import, SourcesAreRemembered) {
  const TempFolder folder;
  const std::string plain = folder.write("plain", "a\tr\tb\nb\tr\tc");
  const std::string packed = folder.write("packed", test::gzip("c\tr\td\n"));
  const ImportResult result = import_triples(train_on({plain, packed}));
  ASSERT_EQ(result.sources.size(), 2U);
  EXPECT_EQ(result.sources[0].path, plain);
  EXPECT_EQ(result.sources[0].lines, 2U);
  EXPECT_EQ(result.sources[0].bytes, 11U);
  EXPECT_EQ(result.sources[1].bytes, std::filesystem::file_size(packed));
  EXPECT_EQ(result.sources[1].xxh3_128, storage::hash_file(packed).hex());
}

TEST(Import, WritesAFolderThatReadsBack) {
  const TempFolder folder;
  const Generated graph = generate(4, 5000);
  ImportOptions options;
  options.inputs = {folder.write("graph.tsv", text_of(graph.lines))};
  options.attributes = {folder.write("attributes", "00001\theight\t1.5\n00001\tname\tone\n00002\theight\t2\n")};
  const std::filesystem::path kg = folder.path() / "out.kg";
  import_graph(options, kg);
  const ImportResult expected = import_triples(options);
  const graph::GraphReader reader(kg);
  EXPECT_EQ(reader.entity_count(), expected.entities.size());
  EXPECT_EQ(reader.relation_count(), expected.relations.size());
  const storage::StringBlocks names = reader.entity_names();
  const storage::StringBlocks relations = reader.relation_names();
  for (const graph::Split split : graph::kSplits) {
    Facts found;
    reader.for_each_block(split, [&](std::span<const Triple> block) {
      for (const Triple& t : block)
        found.insert(fmt::format("{}|{}|{}", names.get(t.head.value()), relations.get(t.relation.value()),
                                 names.get(t.tail.value())));
    });
    EXPECT_EQ(found, facts(expected, expected.split(split)));
  }
  const attributes::Table attributes(reader.file(), reader.entity_count());
  EXPECT_EQ(attributes.schema().names, (std::vector<std::string>{"height", "name"}));
  EXPECT_EQ(attributes.column(0).text(1), "2");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 3) << "nothing temporary is left";
  expect_error(ExitStatus::kUsage, {"out.kg"}, [&] { import_graph(options, kg); });
}

TEST(Import, NothingIsLeftAfterAnError) {
  const TempFolder folder;
  const std::string bad = folder.write("bad.tsv", "a\tr\tb\na\tr\n");
  ImportOptions options;
  options.inputs = {bad};
  expect_error(ExitStatus::kBadData, {"bad.tsv:2"}, [&] { import_graph(options, folder.path() / "out.kg"); });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace tessera::partition
