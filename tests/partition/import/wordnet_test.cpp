// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/wordnet_reader.hpp"

#include "import_fixture.hpp"
#include "partition/import/import.hpp"

#include <map>
#include <set>

namespace tessera::partition {
namespace {

using test::expect_error;

constexpr const char* kLicence = "  1 This software and database is being provided to you  \n";

// A WordNet of five synsets: two nouns, an adjective and its satellite, an adverb.
struct Small {
  Small() {
    add("noun",
        "00000100 03 n 02 Dog 0 domestic_dog 0 003 @ 00000200 n 0000 = 00000300 a 0000 + 00000300 a 0101 | a pet; "
        "\"x|y\"  \n"
        "00000200 03 n 01 animal 0 002 ~ 00000100 n 0000 + 00000999 v 0101 | a beast  \n",
        "animal n 1 1 ~ 1 0 00000200  \ndog n 2 1 @ 2 1 00000777 00000100  \ndomestic_dog n 1 1 @ 1 0 00000100  \n");
    add("adj",
        "00000300 00 a 01 doggy(p) 0 003 & 00000400 a 0000 = 00000100 n 0000 + 00000100 n 0101 | like a dog\n"
        "00000400 00 s 01 doglike 0 001 & 00000300 a 0000 | similar\n",
        "doggy a 1 2 & = 1 0 00000300\ndoglike a 1 1 & 1 0 00000400\n");
    add("adv", "00000500 02 r 01 doggily 0 001 \\ 00000300 a 0101 | in the manner of a dog\n",
        "doggily r 1 1 \\ 1 0 00000500\n");
  }
  void add(const std::string& part, const std::string& data, const std::string& index) const {
    static_cast<void>(folder.write("data." + part, kLicence + data));
    static_cast<void>(folder.write("index." + part, kLicence + index));
  }
  [[nodiscard]] ImportResult import() const {
    ImportOptions options;
    options.train = {folder.path().string()};
    return import_triples(options);
  }
  test::TempFolder folder;
};

std::set<std::string> facts(const ImportResult& result) {
  std::set<std::string> all;
  for (const SplitTriples& split : result.splits)
    split.for_each_block([&](std::span<const Triple> block) {
      for (const Triple& t : block)
        all.insert(fmt::format("{} {} {}", result.entities[t.head.value()], result.relations[t.relation.value()],
                               result.entities[t.tail.value()]));
    });
  return all;
}

TEST(WordNet, OneDirectionOfEachPair) {
  const Small small;
  const ImportResult result = small.import();
  EXPECT_EQ(facts(result), (std::set<std::string>{"dog.n.02 hypernym animal.n.01", "dog.n.02 attribute doggy.a.01",
                                                  "dog.n.02 derivationally_related_form doggy.a.01",
                                                  "doggy.a.01 similar_to doglike.s.01",
                                                  "doggily.r.01 derived_from_adjective doggy.a.01"}));
  EXPECT_EQ(result.counts.duplicates, 0U);
  EXPECT_EQ(result.counts.dangling_pointers, 1U);
  EXPECT_EQ(result.sources.size(), 6U) << "data and index files";
}

TEST(WordNet, GlossesAreAttributes) {
  const Small small;
  const ImportResult result = small.import();
  ASSERT_EQ(result.attributes.size(), 1U);
  EXPECT_EQ(result.attributes[0], "gloss");
  std::map<std::string, std::string> glosses;
  AttributeFile::Reader reader(result.attribute_rows);
  for (AttributeRow row; reader.next(row);) glosses[std::string(result.entities[row.entity])] = std::string(row.value);
  EXPECT_EQ(glosses.size(), 5U);
  EXPECT_EQ(glosses["dog.n.02"], "a pet; \"x|y\"");
}

TEST(WordNet, BadFiles) {
  const auto import_with = [](const std::string& data, const std::string& index) {
    const Small small;
    small.add("noun", data, index);
    static_cast<void>(small.import());
  };
  const std::string good_index = "animal n 1 0 1 0 00000200\n";
  const std::string good = "00000200 03 n 01 animal 0 000 | a beast\n";
  EXPECT_NO_THROW(import_with(good, good_index));
  for (const char* bad :
       {"x0000200 03 n 01 animal 0 000 | x\n", "00000200 03 v 01 animal 0 000 | x\n", "00000200 03 n 00 000 | x\n",
        "00000200 03 n 02 animal 0 000 | x\n", "00000200 03 n 01 animal 0 002 @ 00000200 n 0000 | x\n",
        "00000200 03 n 01 animal 0 001 ? 00000200 n 0000 | x\n",
        "00000200 03 n 01 animal 0 001 @ 00000200 q 0000 | x\n", "00000200 03 n 01 \xFF 0 000 | x\n",
        "00000200 03 n 01 animal\n"})
    expect_error(ExitStatus::kBadData, {"data.noun:3:"}, [&] { import_with(good + bad, good_index); });
  expect_error(ExitStatus::kBadData, {"index.noun:2:"}, [&] { import_with(good, "animal n 1\n"); });
  expect_error(ExitStatus::kBadData, {"index.noun:2:"}, [&] { import_with(good, "animal n 2 0 1 0 00000200\n"); });
  expect_error(ExitStatus::kBadData, {"no sense of 'animal'"},
               [&] { import_with(good, "beast n 1 0 1 0 00000200\n"); });
}

TEST(WordNet, NamesOfFiles) {
  EXPECT_EQ(wordnet_part("/usr/share/wordnet/data.noun"), WordNetPart::kNoun);
  EXPECT_EQ(wordnet_part("data.adj.gz"), WordNetPart::kAdjective);
  EXPECT_EQ(wordnet_part("x/data.adv.zst"), WordNetPart::kAdverb);
  EXPECT_EQ(wordnet_part("index.noun"), std::nullopt);
  EXPECT_EQ(wordnet_part("data.noun.txt"), std::nullopt);
  EXPECT_EQ(wordnet_index("data.noun/data.verb.gz"), "data.noun/index.verb.gz");
  EXPECT_EQ(wordnet_index("data.noun"), "index.noun");
  const test::TempFolder folder;
  ImportOptions options;
  options.train = {folder.path().string()};
  expect_error(ExitStatus::kMissingInput, {"data.noun"}, [&] { import_triples(options); });
  static_cast<void>(folder.write("data.noun", kLicence));
  expect_error(ExitStatus::kMissingInput, {"index.noun"}, [&] { import_triples(options); });
}

// Counts of WordNet 3.0 by a script of a few lines that reads data.* without any of this code; names as in NLTK.
TEST(WordNet, TheRealOne) {
  const std::string folder = "/usr/share/wordnet";
  if (!std::filesystem::exists(folder + "/data.noun")) GTEST_SKIP() << "the package wordnet-base is not installed";
  SynsetNames names;
  for (const char* part : {"noun", "verb", "adj", "adv"}) {
    const std::string path = folder + "/data." + part;
    Input data = Input::open(path);
    LineReader data_lines(data);
    names.add_data(data_lines, *wordnet_part(path));
    Input index = Input::open(wordnet_index(path));
    LineReader index_lines(index);
    names.add_index(index_lines, *wordnet_part(path));
  }
  names.finish();
  EXPECT_EQ(names.size(), 117659U);
  const auto name = [&](WordNetPart part, std::uint32_t offset) {
    return names.name(names.find({part, offset}).value());
  };
  EXPECT_EQ(name(WordNetPart::kNoun, 2084071), "dog.n.01");
  EXPECT_EQ(name(WordNetPart::kNoun, 10114209), "frump.n.01");
  EXPECT_EQ(name(WordNetPart::kNoun, 1740), "entity.n.01");
  EXPECT_EQ(name(WordNetPart::kVerb, 1740), "breathe.v.01");
  EXPECT_EQ(name(WordNetPart::kAdjective, 1740), "able.a.01");
  EXPECT_EQ(name(WordNetPart::kAdjective, 19731), "handy.s.01");
  ImportOptions options;
  options.train = {folder};
  const ImportResult result = import_triples(options);
  EXPECT_EQ(result.relations.size(), 19U);
  EXPECT_EQ(result.counts.dangling_pointers, 0U);
  std::map<std::string, std::uint64_t> counts;
  for (const std::string& fact : facts(result))
    ++counts[fact.substr(fact.find(' ') + 1, fact.rfind(' ') - fact.find(' ') - 1)];
  EXPECT_EQ(counts["hypernym"], 89089U);
  EXPECT_EQ(counts["instance_hypernym"], 8577U);
  EXPECT_EQ(counts["member_holonym"], 12293U);
  EXPECT_EQ(counts["attribute"], 639U);
  EXPECT_EQ(counts["similar_to"], 21386U / 2);
  EXPECT_EQ(counts["entailment"], 408U);
  EXPECT_EQ(result.splits[0].size(), 186334U);
}

}  // namespace
}  // namespace tessera::partition
