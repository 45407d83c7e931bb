// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/pairs.hpp"

#include "comm/thread/thread_communicator.hpp"
#include "predict/relation_search.hpp"
#include "predict/similar.hpp"
#include "support/model_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::test {
namespace {

using predict::FoundPair;
using predict::KnownAnswers;
using predict::KnownIn;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 70, .relations = 3, .train = 300, .valid = 40, .test = 40}),
                                  8);
  return stored;
}

/// How a search is run.
struct Case {
  std::int32_t ranks = 1;
  std::size_t threads = 1;
  const kernels::Backend* backend = &kernels::reference_backend();
};

/// What `search` gives on rank 0.
template <class Result>
Result on_ranks(const ModelValues& values, const Case& how, const std::function<Result(const search::Setup&)>& search) {
  Result result;
  std::mutex mutex;
  comm::run_ranks(how.ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(64U << 20U);
    const graph::Shard shard = shared_graph().load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    fill(values, shard, parameters);
    execution::HostExecutor host(pool, *how.backend, execution::HostThreads(how.threads));
    Result found = search({{comm, shard, host}, parameters});
    const std::lock_guard lock(mutex);
    if (comm.is_root()) result = std::move(found);
  });
  return result;
}

bool is_third(EntityId entity) { return entity.value() % 3 == 0; }

/// Own entities for which a predicate holds.
search::RowMask mask_of(const graph::Shard& shard, bool (*holds)(EntityId)) {
  std::uint64_t rows = 0;
  for (const graph::Part& part : shard.parts) rows += part.rows();
  std::vector<std::uint64_t> bits((rows + 63) / 64);
  for (std::uint64_t i = 0; i < rows; ++i)
    if (holds(EntityId(shard.parts.front().first_entity().value() + i))) bits[i / 64] |= std::uint64_t{1} << (i % 64);
  return search::RowMask(std::move(bits));
}

constexpr RelationId kRelation(1);

/// Which pairs are asked for.
struct Asked {
  std::uint64_t k = 50;
  KnownAnswers known = KnownAnswers::kMark;
  bool third_of_heads = false;
  std::uint64_t block_heads = 7;
};

std::vector<FoundPair> pairs_of(const ModelValues& values, const Case& how, const Asked& asked) {
  return on_ranks<std::vector<FoundPair>>(values, how, [&](const search::Setup& setup) {
    const search::RowMask third = mask_of(setup.shard, is_third);
    predict::PairOptions options{kRelation, asked.k, asked.known};
    options.heads = asked.third_of_heads ? &third : nullptr;
    options.block_heads = asked.block_heads;
    return predict::best_pairs(setup, shared_graph().partition_folder(), options);
  });
}

/// (-score, head, tail) of all pairs that are asked for, in order, in global ids.
std::vector<std::tuple<double, EntityId, EntityId>> all_pairs(const ModelValues& values, const Asked& asked) {
  const BruteForce oracle(shared_graph(), values);
  std::vector<std::tuple<double, EntityId, EntityId>> pairs;
  for (std::uint64_t head = 0; head < shared_graph().graph().entities; ++head) {
    if (asked.third_of_heads && !is_third(EntityId(head))) continue;
    const std::vector<double> scores = oracle.scores(EntityId(head), kRelation);
    const std::set<EntityId> known = oracle.known(EntityId(head), kRelation, graph::kSplits);
    for (std::uint64_t tail = 0; tail < scores.size(); ++tail)
      if (asked.known == KnownAnswers::kMark || !known.contains(EntityId(tail)))
        pairs.emplace_back(-scores[tail], EntityId(head), EntityId(tail));
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

void expect_brute_force(const ModelValues& values, const Case& how, const Asked& asked) {
  const auto expected = all_pairs(values, asked);
  const BruteForce oracle(shared_graph(), values);
  const std::vector<FoundPair> found = pairs_of(values, how, asked);
  ASSERT_EQ(found.size(), std::min<std::size_t>(asked.k, expected.size()));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& [score, head, tail] = expected[i];
    EXPECT_EQ(found[i].head, shared_graph().original_id(head)) << i;
    EXPECT_EQ(found[i].tail, shared_graph().original_id(tail)) << i;
    EXPECT_FLOAT_EQ(found[i].score, static_cast<float>(-score)) << i;
    KnownIn known = KnownIn::kNowhere;
    for (const graph::Split split : {graph::Split::kTest, graph::Split::kValid, graph::Split::kTrain})
      if (oracle.known(head, kRelation, std::span(&split, 1)).contains(tail)) known = predict::known_in(split);
    EXPECT_EQ(found[i].known_in, known) << i;
  }
}

class PairsTest : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] static ModelValues values() {
    ModelValues values;
    values.scorer = GetParam();
    return values;
  }
};

TEST_P(PairsTest, EqualsBruteForceWithManyTies) {
  for (const kernels::Backend* backend : {&kernels::reference_backend(), &kernels::cpu_backend()})
    for (const std::int32_t ranks : {1, 2, 3, 5})
      for (const std::size_t threads : {1U, 2U})
        for (const KnownAnswers known : {KnownAnswers::kMark, KnownAnswers::kOmit})
          for (const bool third : {false, true})
            expect_brute_force(values(), {ranks, threads, backend}, {50, known, third, 7});
}

TEST_P(PairsTest, OneAndAll) {
  expect_brute_force(values(), {2, 2}, {1});
  expect_brute_force(values(), {2, 2}, {100000});
  expect_brute_force(values(), {2, 2}, {100000, KnownAnswers::kOmit, true, 1000});
}

INSTANTIATE_TEST_SUITE_P(All, PairsTest, testing::Values("transe_l1", "distmult", "complex", "transe_l2"));

// ---- similar entities

float entry(const ModelValues& values, EntityId entity, std::size_t k) { return values.entity(entity.value(), k); }

double nearness(const ModelValues& values, EntityId a, EntityId b, predict::Nearness by) {
  double dot = 0, of_a = 0, of_b = 0, distance = 0;
  for (std::size_t k = 0; k < values.dim; ++k) {
    const double x = entry(values, a, k), y = entry(values, b, k);
    dot += x * y;
    of_a += x * x;
    of_b += y * y;
    distance += (x - y) * (x - y);
  }
  if (by == predict::Nearness::kDot) return dot;
  if (by == predict::Nearness::kDistance) return -std::sqrt(distance);
  return of_a == 0 || of_b == 0 ? 0 : dot / std::sqrt(of_a * of_b);
}

TEST(SimilarTest, EqualsBruteForceOnAnyRanks) {
  ModelValues values;
  values.entity = normals(3);
  const std::vector<EntityId> asked = {EntityId(4), EntityId(61)};
  for (const auto by : {predict::Nearness::kCosine, predict::Nearness::kDot, predict::Nearness::kDistance}) {
    std::vector<FoundPair> before;
    for (const std::int32_t ranks : {1, 2, 3}) {
      const auto found = on_ranks<std::vector<FoundPair>>(
          values, {ranks, 2, &kernels::cpu_backend()}, [&](const search::Setup& setup) {
            return predict::find_similar(setup, shared_graph().partition_folder(), asked, {by, 9, nullptr});
          });
      ASSERT_EQ(found.size(), 18U);
      for (std::size_t q = 0; q < asked.size(); ++q) {
        std::vector<std::pair<double, std::uint64_t>> expected;
        for (std::uint64_t e = 0; e < shared_graph().graph().entities; ++e)
          if (EntityId(e) != asked[q]) expected.emplace_back(-nearness(values, asked[q], EntityId(e), by), e);
        std::sort(expected.begin(), expected.end());
        for (std::size_t i = 0; i < 9; ++i) {
          const FoundPair& pair = found[q * 9 + i];
          EXPECT_EQ(pair.head, shared_graph().original_id(asked[q]));
          EXPECT_EQ(pair.tail, shared_graph().original_id(EntityId(expected[i].second)));
          EXPECT_NEAR(static_cast<double>(pair.score), -expected[i].first, 1e-5);
        }
      }
      for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].score, found[i].score) << "another bit";
      before = found;
    }
  }
}

TEST(SimilarTest, ARowOfZerosHasNoDirection) {
  ModelValues values;
  values.entity = [](std::uint64_t row, std::size_t) { return row == 4 ? 0.0F : 1.0F; };
  const std::vector<EntityId> asked = {EntityId(4)};
  const auto found = on_ranks<std::vector<FoundPair>>(values, {}, [&](const search::Setup& setup) {
    return predict::find_similar(setup, shared_graph().partition_folder(), asked,
                                 {predict::Nearness::kCosine, 3, nullptr});
  });
  for (const FoundPair& pair : found) EXPECT_EQ(pair.score, 0.0F);
}

// ---- relations

TEST(RelationSearchTest, EqualsBruteForceOnAnyRanks) {
  const ModelValues values;
  const BruteForce oracle(shared_graph(), values);
  for (const std::int32_t ranks : {1, 2, 3}) {
    for (const KnownAnswers known : {KnownAnswers::kMark, KnownAnswers::kOmit}) {
      for (std::uint64_t head = 0; head < 70; head += 3) {
        const EntityId tail((head * 5 + 1) % 70);
        const auto answers = on_ranks<predict::Answers>(values, {ranks, 1}, [&](const search::Setup& setup) {
          predict::RelationSearch search(setup, {2, known});
          return search.search(EntityId(head), tail);
        });
        std::vector<std::pair<double, std::uint64_t>> expected;
        for (std::uint32_t r = 0; r < 3; ++r)
          if (known == KnownAnswers::kMark ||
              !oracle.known(EntityId(head), RelationId(r), graph::kSplits).contains(tail))
            expected.emplace_back(-oracle.scores(EntityId(head), RelationId(r))[tail.index()], r);
        std::sort(expected.begin(), expected.end());
        expected.resize(std::min<std::size_t>(2, expected.size()));
        ASSERT_EQ(answers.size(), expected.size());
        for (std::size_t i = 0; i < answers.size(); ++i) {
          EXPECT_EQ(answers[i].entity, expected[i].second);
          EXPECT_FLOAT_EQ(answers[i].score, static_cast<float>(-expected[i].first));
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera::test
