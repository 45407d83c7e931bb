// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/report.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace tessera::evaluate {
namespace {

using Json = nlohmann::json;

/// Two relations, two triples.
Evaluation small_evaluation() {
  Evaluation evaluation;
  MetricsSum sum(2);
  sum.add({EntityId(1), EntityId(2), RelationId(0), 0, 0, 40, 5, false});
  sum.add({EntityId(2), EntityId(1), RelationId(2), 3, 0, 41, 1, false});
  sum.add({EntityId(3), EntityId(4), RelationId(1), 1, 0, 42, 0, true});
  sum.add({EntityId(4), EntityId(3), RelationId(3), 0, 2, 43, 2, true});
  evaluation.metrics = sum.mean();
  evaluation.metrics.entities = 50;
  evaluation.metrics.rank_digest = "abc";
  evaluation.mrr_interval = {0.25, 0.75, 0.125};
  evaluation.groups.relation_classes = {RelationClass::kOneToMany, RelationClass::kUnseen};
  Group group;
  group.key = 1;
  group.sides.at(0) = {2, 42.5, {.mrr = 0.5}};
  group.sides.at(2) = {2, 42.5, {.mrr = 0.5}};
  evaluation.groups.by = {std::vector<Group>{group}, std::vector<Group>{group}, std::vector<Group>{group}};
  return evaluation;
}

void expect_says(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
}

TEST(ReportTest, SaysWhatWasRankedAndHow) {
  const std::string text = to_text(small_evaluation(), {});
  expect_says(text, {"2 test triples, 4 queries, each target ranked among all 50 entities",
                     "known answers left out: train, valid, test; 41.5 candidates on average remain", "realistic",
                     "pessimistic", "training never saw", "Hits@100", "95 % interval 0.2500 .. 0.7500",
                     "1,000 bootstrap resamples", "adjusted for chance"});
  EXPECT_EQ(text.find("EXTRA"), std::string::npos);
  EXPECT_EQ(text.find("by relation"), std::string::npos);
}

TEST(ReportTest, SaysWhenCandidatesAreListed) {
  Evaluation evaluation = small_evaluation();
  evaluation.candidate_digest = "def";
  const ReportOptions options{{}, {}, "some.tsv"};
  expect_says(to_text(evaluation, options),
              {"among the candidates that 'some.tsv' lists for it", "AN EXTRA, NOT THE EXACT FIGURE"});
  const Json json = Json::parse(to_json(evaluation, options));
  EXPECT_EQ(json["exact"], false);
  EXPECT_EQ(json["candidate_set"], "listed");
  EXPECT_EQ(json["candidate_digest"], "def");
}

TEST(ReportTest, JsonHoldsEveryFigure) {
  const Evaluation evaluation = small_evaluation();
  const Json json = Json::parse(to_json(evaluation, {}));
  EXPECT_EQ(json["exact"], true);
  EXPECT_EQ(json["filter"], "train, valid, test");
  EXPECT_EQ(json["mrr"], evaluation.metrics.mrr());
  EXPECT_EQ(json["mrr_interval"]["low"], 0.25);
  EXPECT_EQ(json["mrr_interval"]["resamples"], 1000);
  EXPECT_FALSE(json.contains("by"));
  for (const TieRule rule : kTieRules)
    for (const auto& [name, value] : figures(evaluation.metrics.head[rule]))
      EXPECT_EQ(json["head"][evaluate::name(rule)][name], value) << name;
}

TEST(ReportTest, GroupsThatWereAskedFor) {
  const ReportOptions options{{Grouping::kRelation, Grouping::kClass, Grouping::kDegree}, {"a", "say \"b\""}, ""};
  expect_says(to_text(small_evaluation(), options),
              {"by relation\n", "say \"b\"", "by relation class", "1-N", "by training degree of the target"});
  const Json by = Json::parse(to_json(small_evaluation(), options))["by"];
  EXPECT_EQ(by["relation"][0]["relation"], "say \"b\"");
  EXPECT_EQ(by["relation"][0]["class"], "unseen");
  EXPECT_EQ(by["relation"][0]["both"]["mrr"], 0.5);
  EXPECT_EQ(by["class"][0]["class"], "1-N");
  EXPECT_EQ(by["degree"][0]["first_degree"], 1);
  EXPECT_EQ(by["degree"][0]["last_degree"], 1);
  EXPECT_EQ(by["degree"][0]["tail"]["queries"], 0);
}

}  // namespace
}  // namespace tessera::evaluate
