// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/score_sum.hpp"

#include "core/ids.hpp"
#include "core/job.hpp"
#include "core/random.hpp"
#include "model/scorer.hpp"
#include "support/expect_error.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tessera::checkpoint {
namespace {

constexpr std::uint64_t kEntities = 23;
constexpr std::uint64_t kRelations = 3;

/// Reals per relation row, as docs/formats/run.md has them for the models that can be summed.
std::size_t relation_width(const std::string& name, std::size_t dim) { return name == "cp" ? dim / 2 : dim; }

/// A model of drawn rows in memory, whose entities come in an order of their own.
class DrawnModel final : public StoredModel {
 public:
  DrawnModel(const std::string& name, std::size_t dim, std::uint64_t seed, std::uint64_t step)
      : shape_{name, dim, relation_width(name, dim), 0, kEntities, kRelations, "abc", 4}, step_(step) {
    origins_ = {{"run-" + std::to_string(seed), 4, 0.5, "digest", "", 1}};
    const RandomStream stream(seed, Purpose::kInit);
    const auto draw = [&](std::vector<float>& rows, std::size_t count, std::uint64_t first) {
      for (std::size_t i = 0; i < count; ++i) rows.push_back(static_cast<float>(stream.normals(first + i).at(0)));
    };
    draw(entities, kEntities * dim, 0);
    draw(relation_rows, 2 * kRelations * shape_.relation_dim, kEntities * dim);
  }
  [[nodiscard]] const ModelShape& shape() const override { return shape_; }
  [[nodiscard]] const std::vector<ModelOrigin>& origins() const override { return origins_; }
  [[nodiscard]] std::vector<float> relations() const override { return relation_rows; }
  [[nodiscard]] std::vector<float> core() const override { return {}; }
  void for_each_block(const RowConsumer& consume) const override {
    for (std::uint64_t i = 0; i < kEntities; ++i) {
      const std::uint64_t id = (i * step_) % kEntities;
      consume(std::span(&id, 1), {entities.data() + id * shape_.dim, 1, shape_.dim, shape_.dim});
    }
  }

  std::vector<float> entities;
  std::vector<float> relation_rows;

 private:
  ModelShape shape_;
  std::uint64_t step_;
  std::vector<ModelOrigin> origins_;
};

std::vector<Member> members_of(const std::vector<std::shared_ptr<const DrawnModel>>& models,
                               const std::vector<double>& weights) {
  std::vector<Member> members;
  for (std::size_t i = 0; i < models.size(); ++i)
    members.push_back({std::make_unique<DrawnModel>(*models[i]), "model " + std::to_string(i), weights[i]});
  return members;
}

/// Score of (source, relation, target) by the scorer's own formula, summed in double.
double score(const std::string& name, std::size_t dim, const float* source, const float* relation,
             const float* target) {
  std::vector<float> query(dim);
  const std::size_t width = relation_width(name, dim);
  const std::uint32_t row = 0;
  model::find_scorer(name).compose({source, 1, dim, dim}, {relation, 1, width, width}, std::span(&row, 1),
                                   {query.data(), 1, dim, dim});
  double sum = 0;
  for (std::size_t k = 0; k < dim; ++k) sum += static_cast<double>(query[k]) * target[k];
  return sum;
}

double score(const ModelShape& shape, const std::vector<float>& entities, const std::vector<float>& relations,
             const Triple& triple) {
  const auto row = [&](EntityId entity) { return entities.data() + entity.value() * shape.dim; };
  return score(shape.name, shape.dim, row(triple.head), relations.data() + triple.relation.value() * shape.relation_dim,
               row(triple.tail));
}

std::vector<float> all_rows(const ScoreSum& sum, memory::Pool& pool, std::size_t* windows = nullptr) {
  std::vector<float> rows;
  sum.for_each_window(pool, [&](std::span<const float> window) {
    rows.insert(rows.end(), window.begin(), window.end());
    if (windows != nullptr) ++*windows;
  });
  return rows;
}

class ScoreSumTest : public testing::TestWithParam<const char*> {};

TEST_P(ScoreSumTest, ScoresOfTheSumAreTheSumOfTheScores) {
  const std::string name = GetParam();
  const std::vector<std::shared_ptr<const DrawnModel>> models = {std::make_shared<DrawnModel>(name, 6, 1, 1),
                                                                 std::make_shared<DrawnModel>(name, 10, 2, 5),
                                                                 std::make_shared<DrawnModel>(name, 4, 3, 7)};
  const std::vector<double> weights = {1, 0.5, 0.3};
  const ScoreSum sum(members_of(models, weights));
  EXPECT_EQ(sum.shape().dim, 20U);
  EXPECT_EQ(sum.shape().relation_dim, relation_width(name, 20));
  EXPECT_EQ(sum.shape().epoch, 0U);
  memory::Pool pool(1U << 20U);
  const std::vector<float> entities = all_rows(sum, pool);
  const std::vector<float> relations = sum.relations();
  ASSERT_EQ(entities.size(), kEntities * 20);
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Triple triple{EntityId(i % kEntities), RelationId(static_cast<std::uint32_t>(i % (2 * kRelations))),
                        EntityId((i * 11 + 3) % kEntities)};
    double expected = 0;
    for (std::size_t m = 0; m < models.size(); ++m)
      expected += weights[m] * score(models[m]->shape(), models[m]->entities, models[m]->relation_rows, triple);
    EXPECT_NEAR(score(sum.shape(), entities, relations, triple), expected, 1e-5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ScoreSumTest, testing::Values("distmult", "complex", "cp"));

TEST(ScoreSumOfOneTest, IsTheModelItselfOfAnyKind) {
  for (const std::string& name : model::scorer_names()) {
    const auto model = std::make_shared<DrawnModel>(name, 8, 1, 5);
    const ScoreSum sum(members_of({model}, {1}));
    memory::Pool pool(1U << 20U);
    EXPECT_EQ(all_rows(sum, pool), model->entities) << name;
    EXPECT_EQ(sum.relations(), model->relation_rows) << name;
    EXPECT_EQ(sum.shape().epoch, 4U);
  }
}

TEST(ScoreSumOfOneTest, ASmallPoolTakesMoreWindows) {
  const auto model = std::make_shared<DrawnModel>("complex", 64, 1, 5);
  const ScoreSum sum(members_of({model}, {1}));
  memory::Pool pool(4096);
  std::size_t windows = 0;
  EXPECT_EQ(all_rows(sum, pool, &windows), model->entities);
  EXPECT_EQ(windows, 3U);  // of 8 rows of 256 bytes
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(ScoreSumOfOneTest, OriginsAreThoseOfAllMembersWithTheirWeights) {
  const auto a = std::make_shared<DrawnModel>("cp", 4, 1, 1);
  const auto b = std::make_shared<DrawnModel>("cp", 4, 2, 1);
  const ScoreSum sum(members_of({a, b}, {0.25, 2}));
  ASSERT_EQ(sum.origins().size(), 2U);
  EXPECT_EQ(sum.origins()[1].run, "run-2");
  EXPECT_EQ(sum.origins()[0].weight, 0.25);
  EXPECT_EQ(sum.origins()[1].weight, 2);
}

TEST(ScoreSumRefusesTest, WhatCannotBeSummed) {
  const auto complex = std::make_shared<DrawnModel>("complex", 4, 1, 1);
  const auto distmult = std::make_shared<DrawnModel>("distmult", 4, 1, 1);
  const auto transe = std::make_shared<DrawnModel>("transe_l2", 4, 1, 1);
  const auto wide = std::make_shared<DrawnModel>("complex", kMostDim - 2, 1, 1);
  const auto refuse = [](std::initializer_list<std::string_view> words,
                         const std::vector<std::shared_ptr<const DrawnModel>>& models, std::vector<double> weights) {
    test::expect_error(ExitStatus::kUsage, words, [&] { const ScoreSum sum(members_of(models, weights)); });
  };
  refuse({"model 0", "model 1", "complex", "distmult", "one kind"}, {complex, distmult}, {1, 1});
  refuse({"model 0", "transe_l2", "distmult, complex, cp"}, {transe, transe}, {1, 1});
  refuse({"model 0", "transe_l2"}, {transe}, {0.5});
  refuse({"65538", "65536"}, {complex, wide}, {1, 1});
}

}  // namespace
}  // namespace tessera::checkpoint
