// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/nbfnet_learner.hpp"
#include "propagation/training/ultra_learner.hpp"
#include "ultra_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::test {
namespace {

using propagation::BatchGraph;
using propagation::BlockResult;
using propagation::Draw;
using propagation::Learner;
using propagation::LearnerOptions;
using propagation::MessageGraph;
using propagation::NbfnetLearner;
using propagation::ParameterList;
using propagation::Removal;
using propagation::StepQueries;
using propagation::Tensors;
using propagation::TrainQuery;
using propagation::UltraLearner;

constexpr std::uint32_t kEntities = 40;
constexpr std::uint32_t kRelations = 3;
constexpr std::size_t kQueries = 4;

std::vector<OracleEdge> make_triples() {
  std::mt19937 draw(7);
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> found;
  while (found.size() < 55) found.insert({draw() % (kEntities - 1), draw() % kRelations, draw() % (kEntities - 1)});
  std::vector<OracleEdge> triples;  // the last entity has none
  for (const auto& [head, relation, tail] : found) triples.push_back({head, relation, tail});
  return triples;
}

MessageGraph graph_of(const std::vector<OracleEdge>& triples, memory::Pool& pool) {
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> edges;
  for (const OracleEdge& t : triples) {
    edges.insert({t.head, t.relation, t.tail});
    edges.insert({t.tail, t.relation + kRelations, t.head});
  }
  const auto visit_all = [&](const MessageGraph::Visit& visit) {
    for (const auto& [to, relation, from] : edges) visit(to, relation, from);
  };
  return {kEntities, 2 * kRelations, visit_all, pool};
}

/// A learner in the middle of its first step.
struct Fixture {
  memory::Pool pool{64U << 20U};
  OracleGraph oracle{make_triples(), {}, kEntities, kRelations};
  MessageGraph graph = graph_of(oracle.triples, pool);
  Draw draw{graph, 3, kQueries};
  BatchGraph seen{graph, pool};
  std::vector<TrainQuery> queries = draw.queries(0, 1);
  std::unique_ptr<Learner> learner;
  std::vector<float> values;
  std::vector<float> transposed;

  void use(std::unique_ptr<Learner> made, Removal removal) {
    learner = std::move(made);
    learner->take_workers(1, pool);
    values.resize(learner->list().size());
    transposed.resize(values.size());
    learner->list().initialise(5, values);
    for (const ParameterList::Entry& entry : learner->list().entries())  // where all gradients are far from 0
      if (entry.name.ends_with("layer_norm.bias"))
        std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(entry.offset), entry.count, 0.1F);
    learner->list().transpose(values, transposed);
    learner->use(values, transposed);
    seen.remove(queries, removal);
    for (const OracleEdge& t : oracle.triples) {
      const bool is_asked = std::any_of(queries.begin(), queries.end(), [&](const TrainQuery& query) {
        const bool is_inverse = query.relation >= kRelations;
        const std::uint32_t head = is_inverse ? query.answer : query.source;
        const std::uint32_t tail = is_inverse ? query.source : query.answer;
        if (removal == Removal::kOwn)
          return t.head == head && t.tail == tail && t.relation == query.relation % kRelations;
        return (t.head == head && t.tail == tail) || (t.head == tail && t.tail == head);
      });
      if (!is_asked) oracle.seen.push_back(t);
    }
  }

  [[nodiscard]] StepQueries step() const { return {queries, draw, 0, kQueries, seen.edges()}; }
};

constexpr LearnerOptions kOptions{.dim = 16, .layers = 3, .negatives = 6, .temperature = 0.7};

/// The loss of the step by the oracle; the weights of negatives stay as they are at the first call.
class OracleLoss {
 public:
  explicit OracleLoss(const Fixture& fixture) : fixture_(fixture) {}
  double operator()(const Tensors& weights) {
    double sum = 0;
    for (std::size_t q = 0; q < kQueries; ++q) {
      const TrainQuery& query = fixture_.queries[q];
      std::vector<std::uint32_t> negatives(kOptions.negatives);
      std::size_t count = 0;
      fixture_.draw.negatives(0, kQueries + q, query, negatives, count);
      const auto scores = oracle_scores(weights, fixture_.oracle, {query.source, query.relation, 0});
      if (weights_.size() == q) {
        std::vector<double> own;
        double all = 0;
        for (const std::uint32_t n : negatives) all += own.emplace_back(std::exp(scores[n] / kOptions.temperature));
        for (double& weight : own) weight /= all;
        weights_.push_back(own);
      }
      double loss = std::log1p(std::exp(-scores[query.answer]));
      for (std::size_t k = 0; k < count; ++k) loss += weights_[q][k] * std::log1p(std::exp(scores[negatives[k]]));
      sum += loss / 2;
    }
    return sum / kQueries;
  }

 private:
  const Fixture& fixture_;
  std::vector<std::vector<double>> weights_;
};

std::vector<float> gradients_of(Fixture& fixture, double& loss) {
  Learner& learner = *fixture.learner;
  std::vector<float> gradients(fixture.values.size());
  std::vector<float> rows(kQueries * learner.row_count());
  std::vector<double> losses(kQueries);
  learner.run_block(fixture.step(), 0, {0, kQueries, std::span(gradients).first(learner.shared_count()), rows, losses});
  learner.finish(fixture.step(), rows, 1, gradients);
  loss = 0;
  for (const double own : losses) loss += own / kQueries;
  return gradients;
}

/// Compares the gradients of every tensor with differences of the oracle's loss.
void expect_slopes(Fixture& fixture) {
  OracleLoss oracle(fixture);
  const Tensors tensors = fixture.learner->list().tensors(fixture.values);
  const double expected = oracle(tensors);
  double loss = 0;
  const Tensors gradients = fixture.learner->list().tensors(gradients_of(fixture, loss));
  EXPECT_NEAR(loss, expected, 1e-5);
  for (const auto& [name, tensor] : tensors) {
    const std::vector<float>& gradient = gradients.at(name).values;
    float most = 0;
    for (const float g : gradient) most = std::max(most, std::abs(g));
    EXPECT_GT(most, 0) << name;
    std::vector<std::size_t> places = {
        static_cast<std::size_t>(std::max_element(gradient.begin(), gradient.end()) - gradient.begin())};
    for (std::size_t i = 1; i <= 5; ++i) places.push_back(i * 7919 % gradient.size());
    for (const std::size_t place : places) {
      Tensors moved = tensors;
      float& value = moved.at(name).values[place];
      const float before = value;
      const auto at = [&](float to) {
        value = to;
        return oracle(moved);
      };
      // Where a step meets the corner of a relu, a smaller one does not.
      double nearest = std::numeric_limits<double>::infinity();
      for (const float step : {1.0F / 4096, 1.0F / 32768}) {
        const double width = static_cast<double>(before + step) - static_cast<double>(before - step);
        const double slope = (at(before + step) - at(before - step)) / width;
        if (std::abs(slope - gradient[place]) < std::abs(nearest - gradient[place])) nearest = slope;
      }
      EXPECT_NEAR(gradient[place], nearest, 1e-3 * static_cast<double>(most) + 1e-8) << name << " " << place;
    }
  }
}

TEST(LearnerTest, GradientsOfNbfnetAreTheSlopesOfAnOracle) {
  for (const bool is_dependent : {false, true}) {
    Fixture fixture;
    fixture.use(std::make_unique<NbfnetLearner>(fixture.graph, kOptions, is_dependent),
                is_dependent ? Removal::kPair : Removal::kOwn);
    expect_slopes(fixture);
  }
}

TEST(LearnerTest, GradientsOfUltraAreTheSlopesOfAnOracle) {
  Fixture fixture;
  fixture.use(std::make_unique<UltraLearner>(fixture.graph, kOptions, fixture.pool), Removal::kOwn);
  expect_slopes(fixture);
}

TEST(LearnerTest, AQueryWhoseSourceHasNoEdgeIsLearnedFrom) {
  Fixture fixture;
  fixture.use(std::make_unique<NbfnetLearner>(fixture.graph, kOptions, false), Removal::kOwn);
  fixture.queries[0] = {kEntities - 1, 0, 2};
  double loss = 0;
  const std::vector<float> gradients = gradients_of(fixture, loss);
  EXPECT_TRUE(std::isfinite(loss));
  EXPECT_TRUE(std::all_of(gradients.begin(), gradients.end(), [](float g) { return std::isfinite(g); }));
}

TEST(DrawTest, NegativesAreNoAnswersAndAllOthersOccur) {
  Fixture fixture;
  for (std::uint64_t edge = 0; edge < fixture.graph.edge_count(); ++edge) {
    const TrainQuery query = propagation::query_of_edge(fixture.graph, edge);
    std::set<std::uint32_t> answers;
    for (const OracleEdge& t : fixture.oracle.triples) {
      if (query.relation == t.relation && query.source == t.head) answers.insert(t.tail);
      if (query.relation == t.relation + kRelations && query.source == t.tail) answers.insert(t.head);
    }
    EXPECT_TRUE(answers.contains(query.answer));
    std::vector<std::uint32_t> negatives(1000);
    std::size_t count = 0;
    fixture.draw.negatives(2, edge, query, negatives, count);
    ASSERT_EQ(count, negatives.size());
    const std::set<std::uint32_t> drawn(negatives.begin(), negatives.end());
    for (const std::uint32_t answer : answers) EXPECT_FALSE(drawn.contains(answer));
    EXPECT_EQ(drawn.size() + answers.size(), kEntities);
  }
}

TEST(DrawTest, AnEpochAsksEveryQueryOnce) {
  Fixture fixture;
  std::multiset<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> seen;
  for (std::uint64_t step = 0; step < fixture.draw.steps(); ++step)
    for (const TrainQuery& query : fixture.draw.queries(1, step))
      seen.insert({query.source, query.relation, query.answer});
  EXPECT_EQ(seen.size(), fixture.graph.edge_count());
  EXPECT_EQ((std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>(seen.begin(), seen.end()).size()),
            seen.size());
}

}  // namespace
}  // namespace tessera::test
