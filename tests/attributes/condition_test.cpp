// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/condition.hpp"

#include "../support/expect_error.hpp"
#include "../support/graph_fixture.hpp"
#include "column_support.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tessera::attributes {
namespace {

using test::expect_error;

constexpr std::uint64_t kEntities = 700;

struct Values {
  Type type;
  std::multimap<std::uint64_t, std::string> of;
};
using Attributes = std::map<std::string, Values>;

/// Attributes of every type, written to a file and read back.
class StoredAttributes {
 public:
  explicit StoredAttributes(Attributes attributes) : attributes_(std::move(attributes)) {
    const auto path = folder_.path() / "file.h5";
    TableWriter writer;
    for (const auto& [name, values] : attributes_) add(writer, name, values);
    storage::FileWriter file(path, "test", 1);
    const std::vector<std::string> datatypes = {"", "@en", "http://www.w3.org/2001/XMLSchema#date"};
    writer.write(file, kEntities, datatypes, datatypes.size());
    file.close();
    table_.emplace(storage::FileReader::open_unverified(path), kEntities);
  }
  [[nodiscard]] const Table& table() const { return *table_; }
  [[nodiscard]] const Attributes& plain() const { return attributes_; }

 private:
  static void add(TableWriter& writer, const std::string& name, const Values& values) {
    std::vector<std::uint64_t> entities;
    std::vector<std::uint64_t> offsets = {0};
    std::string text;
    for (const auto& [entity, value] : values.of) {
      entities.push_back(entity);
      offsets.push_back((text += value).size());
    }
    const std::vector<std::uint32_t> datatypes(entities.size(), 1);
    const ColumnContent content{entities, offsets, text, datatypes};
    if (count_types(content).type() != values.type && !entities.empty()) throw std::runtime_error("type of " + name);
    writer.add(name, content, values.type);
  }
  test::TemporaryFolder folder_;
  Attributes attributes_;
  std::optional<Table> table_;
};

Attributes made_attributes(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Attributes all = {{"born", {Type::kDate, {}}},
                    {"http://example.org/ns#age", {Type::kNumber, {}}},
                    {"height", {Type::kNumber, {}}},
                    {"label", {Type::kText, {}}},
                    {"kind", {Type::kText, {}}},
                    {"nobody", {Type::kText, {}}},
                    {"mixed", {Type::kText, {{1, "1"}, {2, "2"}, {3, "three"}}}}};
  for (std::uint64_t entity = 0; entity < kEntities; ++entity) {
    if (random() % 3 > 0) all.at("born").of.emplace(entity, date_text(static_cast<std::int64_t>(random() % 9000)));
    for (std::uint64_t i = random() % 3; i > 0; --i)
      all.at("http://example.org/ns#age").of.emplace(entity, fmt::format("{}", random() % 90));
    if (random() % 2 > 0)
      all.at("height").of.emplace(
          entity, random() % 50 == 0 ? "NaN" : fmt::format("{}.{}", 1 + random() % 2, random() % 8 * 125));
    all.at("label").of.emplace(entity, fmt::format("The \"entity\" number {}", random() % 5000));
    all.at("kind").of.emplace(entity, std::vector<std::string>{"Person", "Place", "Œuvre", ""}.at(random() % 4));
  }
  return all;
}

/// A random condition as text, and what it says, by brute force over the plain values.
struct Made {
  std::string text;
  std::function<bool(std::uint64_t entity)> holds;
};

class Maker {
 public:
  Maker(const Attributes& attributes, std::uint64_t seed) : attributes_(attributes), random_(seed) {}

  Made make(int depth) {
    const std::uint64_t kind = depth == 0 ? 3 + draw(3) : draw(6);
    if (kind == 0) {
      const Made part = make(depth - 1);
      return {fmt::format("not ({})", part.text), [part](auto e) { return !part.holds(e); }};
    }
    if (kind <= 2) {
      const Made a = make(depth - 1);
      const Made b = make(depth - 1);
      if (kind == 1)
        return {fmt::format("({} AND {})", a.text, b.text), [a, b](auto e) { return a.holds(e) && b.holds(e); }};
      return {fmt::format("({} or {})", a.text, b.text), [a, b](auto e) { return a.holds(e) || b.holds(e); }};
    }
    auto which = attributes_.begin();
    std::advance(which, draw(attributes_.size()));
    const Values& values = which->second;
    const std::string name = draw(2) == 0 ? fmt::format("`{}`", which->first) : fmt::format("<{}>", which->first);
    if (kind == 3) return {fmt::format("exists {}", name), [&values](auto e) { return values.of.contains(e); }};
    if (kind == 4) {
      const auto [text, constant] = make_constant(values);
      const auto [other_text, other] = make_constant(values);
      const bool negated = draw(2) == 0;
      const Comparison a(Relation::kEqual, constant);
      const Comparison b(Relation::kEqual, other);
      return {fmt::format("{} {}in ({}, {})", name, negated ? "not " : "", text, other_text),
              [&values, a, b, negated](auto e) { return (any(values, e, a) || any(values, e, b)) != negated; }};
    }
    return make_comparison(name, values);
  }

 private:
  std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  static bool any(const Values& values, std::uint64_t entity, const Comparison& comparison) {
    const auto [first, last] = values.of.equal_range(entity);
    return std::any_of(first, last, [&](const auto& value) { return comparison.holds(value.second); });
  }
  Made make_comparison(const std::string& name, const Values& values) {
    constexpr std::array kSymbols = {"=", "!=", "<", "<=", ">", ">="};
    const std::uint64_t relation = draw(kSymbols.size());
    const auto [text, constant] = make_constant(values);
    const Comparison comparison(static_cast<Relation>(relation), constant);
    return {fmt::format("{} {} {}", name, kSymbols.at(relation), text),
            [&values, comparison](auto e) { return any(values, e, comparison); }};
  }
  std::pair<std::string, Constant> make_constant(const Values& values) {
    std::string value = values.type == Type::kNumber ? "1.5" : values.type == Type::kDate ? "1977-01-01" : "M";
    if (!values.of.empty() && draw(4) > 0)
      value = std::next(values.of.begin(), static_cast<std::ptrdiff_t>(draw(values.of.size())))->second;
    if (value == "NaN") value = "-1e3";
    if (values.type == Type::kNumber) return {value, Number::parse(value).value()};
    if (values.type == Type::kDate) return {value, Date{parse_date(value).value()}};
    std::string quoted;
    for (const char c : value) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return {fmt::format("\"{}\"", quoted), value};
  }

  const Attributes& attributes_;
  std::mt19937_64 random_;
};

TEST(Condition, SelectsWhatBruteForceSelects) {
  const StoredAttributes stored(made_attributes(1));
  Maker maker(stored.plain(), 2);
  for (int i = 0; i < 400; ++i) {
    const Made made = maker.make(i % 5);
    const Condition condition = Condition::parse(made.text, stored.table().schema());
    const std::vector<std::uint64_t> rows = condition.select(stored.table());
    for (std::uint64_t entity = 0; entity < kEntities; ++entity)
      ASSERT_EQ((rows[entity / 64] >> (entity % 64) & 1U) != 0, made.holds(entity))
          << made.text << ", entity " << entity;
  }
}

// Texts in a dictionary (kind) and in blocks (label).
TEST(Condition, ContainsFindsPartsOfTexts) {
  const StoredAttributes stored(made_attributes(1));
  const auto count = [&](const std::string& text) {
    std::uint64_t selected = 0;
    for (const std::uint64_t word : Condition::parse(text, stored.table().schema()).select(stored.table()))
      selected += static_cast<std::uint64_t>(std::popcount(word));
    return selected;
  };
  const auto expected = [&](const std::string& name, const std::string& part) {
    const auto& values = stored.plain().at(name).of;
    return static_cast<std::uint64_t>(std::count_if(
        values.begin(), values.end(), [&](const auto& v) { return v.second.find(part) != std::string::npos; }));
  };
  EXPECT_GT(expected("label", "number 1"), 0U);
  EXPECT_EQ(count("label contains 'NUMBER 1'"), expected("label", "number 1"));
  EXPECT_EQ(count("label contains '\"entity\"'"), kEntities);
  EXPECT_EQ(count("kind contains 'la'"), expected("kind", "Place"));
  EXPECT_EQ(count("kind contains 'Œ'"), expected("kind", "Œ"));
  EXPECT_EQ(count("kind not contains 'Œ'"), kEntities - expected("kind", "Œ"));
  EXPECT_EQ(count("kind contains ''"), kEntities);
  EXPECT_EQ(count("nobody contains ''"), 0U);
}

TEST(Condition, ReadsOnlyWhatItNames) {
  const StoredAttributes stored(made_attributes(1));
  const Condition condition =
      Condition::parse("exists label and not (kind = 'Person' or label < 'b')", stored.table().schema());
  std::vector<std::string> names;
  for (const std::size_t k : condition.attributes()) names.push_back(stored.table().schema().names[k]);
  EXPECT_EQ(names, (std::vector<std::string>{"kind", "label"}));
}

TEST(Condition, PrecedenceAndForms) {
  const StoredAttributes stored(made_attributes(1));
  const auto select = [&](const std::string& text) {
    return Condition::parse(text, stored.table().schema()).select(stored.table());
  };
  EXPECT_EQ(select("kind='Person' and height>1 or kind='Place'"),
            select("(kind = 'Person' and height > 1) or kind = 'Place'"));
  EXPECT_EQ(select("not kind='Person' and height>1"), select("(not (kind='Person')) and (height>1)"));
  EXPECT_EQ(select("height == 1.5"), select("height = 15e-1"));
  EXPECT_EQ(select("born > '1980-01-01'"), select("born > 1980-01-01"));
  EXPECT_EQ(select("http://example.org/ns#age > 3"), select("<http://example.org/ns#age> > 3"));
}

TEST(Condition, MistakesAreExplained) {
  const StoredAttributes stored(made_attributes(1));
  struct Case {
    const char* text;
    std::vector<std::string> says;
  };
  for (const Case& c : std::vector<Case>{
           {"", {"column 1", "the name of an attribute was expected", "ends"}},
           {"kind", {"column 5", "one of = != < <= > >= in contains was expected"}},
           {"kind = ", {"column 8", "a number, a date or a text in quotes"}},
           {"kind = Person", {"column 8", "in quotes", "not 'Person'"}},
           {"kind = 'Person", {"column 8", "no ' at its end"}},
           {"(kind = 'x'", {"column 12", "')'"}},
           {"kind = 'x' height > 3", {"column 12", "'and', 'or' or the end was expected, not 'height'"}},
           {"hieght > 3", {"column 1", "no attribute 'hieght'", "did you mean 'height'?"}},
           {"exists age", {"column 8", "'http://example.org/ns#age'"}},
           {"kind = 'x' and height > 'tall'",
            {"column 25", "'height' is a number: it cannot be compared with the text \"tall\""}},
           {"label > 1950",
            {"column 9", "'label' is a text: it cannot be compared with the number 1950; a text stands in quotes"}},
           {"height > 1950-01-01", {"'height' is a number", "the date 1950-01-01"}},
           {"born > 1950", {"'born' is a date", "the number 1950"}},
           {"height > 1.5.2", {"'1.5.2' is neither a number nor a date"}},
           {"born > 1950-02-30", {"'1950-02-30' is neither"}},
           {"height in 3", {"column 11", "'(' was expected"}},
           {"height in (3", {"',' or ')'"}},
           {"height not 3", {"column 12", "'in' or 'contains' was expected"}},
           {"mixed > 1", {"'mixed' is a text"}},
           {"height contains '1'", {"column 17", "'height' is a number", "'contains' is for texts"}},
           {"kind contains 1", {"column 15", "a text in quotes was expected"}},
           {"`height > 3", {"no '`' at its end"}},
           {"Œuvre > 3", {"column 1", "'Œuvre'"}},
           {"kind = 'Œ' and x", {"column 16", "'x'"}}}) {
    const std::string message =
        expect_error(ExitStatus::kUsage, {}, [&] { Condition::parse(c.text, stored.table().schema()); });
    for (const std::string& words : c.says)
      EXPECT_NE(message.find(words), std::string::npos) << c.text << ": no '" << words << "' in: " << message;
  }
  expect_error(ExitStatus::kUsage, {"nested too deeply"},
               [&] { Condition::parse(std::string(100'000, '('), stored.table().schema()); });
}

}  // namespace
}  // namespace tessera::attributes
