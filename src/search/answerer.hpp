// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/best_rows.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "memory/pool.hpp"
#include "model/own_rows.hpp"
#include "search/comparison.hpp"
#include "search/known_answers.hpp"
#include "search/row_mask.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace tessera::search {

struct Candidate {
  EntityId entity;  ///< global
  float score = 0;
};

/// Higher scores first, then smaller ids: a total order, so that the k best do not depend on who found them when.
inline bool is_better(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.entity < b.entity);
}

/// The queries that an answerer answers; `rows` and `known` outlive it.
struct AnswerNeeds {
  const model::OwnRows& rows;
  const KnownAnswers& known;
  bool omit_known;
  std::uint64_t k;
  std::uint64_t block_queries;     ///< at most at once
  const RowMask* among = nullptr;  ///< rows that may be answers; none: all. The kernels must ask for each row
};

/// Queries, their vectors [n, dim], and how many answers of each are known, where those are left out.
struct AnswerBlock {
  std::span<const Query> queries;
  kernels::ConstMatrix vectors;
  std::span<const std::int64_t> known_counts;
};

/// Finds the best of the rows that a rank owns, with scores of Scores::all_pairs to the last bit, wherever they are
/// made.
class Answerer {
 public:
  virtual ~Answerer() = default;
  /// found[i * k ...] = the best of query i, best first, sizes[i] of them: k, or fewer when there are fewer. Not
  /// collective. Throws Error(kOverBudget).
  virtual void search(const AnswerBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) = 0;
  /// The cost of all searches.
  [[nodiscard]] virtual const Cost& cost() const = 0;
};

/// Makes an answerer; the setup outlives it. Throws Error: kOverBudget, kUsage for more rows than can be numbered.
using MakeAnswerer = std::function<std::unique_ptr<Answerer>(const Setup& setup, const AnswerNeeds& needs)>;

/// Make answerers for the host and for a device, like rank_on_host() and rank_on_device().
MakeAnswerer answer_on_host();
MakeAnswerer answer_on_device(memory::DevicePool& pool, kernels::Products products);

/// The sizes of a search, for a plan.
struct AnswerSizes {
  Sizes sizes;
  std::uint64_t k = 0;
  bool keeps_known = false;  ///< known answers are left out after the search, not during it
  bool is_in_place = false;  ///< the kernels merge in place
};

/// How answering is cut to the memory of an executor. Results do not depend on it.
struct AnswerPlan {
  Plan pieces;
  std::uint64_t keys = 0;    ///< best rows of all queries that are searched at once, of each worker
  std::uint64_t listed = 0;  ///< rows of all those queries that may be scored again one by one; 0: none are
};

/// How a device answers with `room_bytes` of memory, as fit_plan(). Where known answers are kept until the end there is
/// room for many more keys than answers are wanted, up to all rows for one query, if there is the memory.
AnswerPlan plan_answering(const AnswerSizes& sizes, std::uint64_t room_bytes);
/// The sizes of a search on the host, and its plan.
AnswerSizes host_answer_sizes(const Setup& setup, std::uint64_t block_queries, std::uint64_t k, bool omit_known);
AnswerPlan plan_host_answering(const AnswerSizes& sizes);

/// An answerer over an executor: one for the host and for devices. Known answers are left out where the kernels ask for
/// each row; where they do not, among as many more of the best as the graph knows answers.
template <kernels::Space kSpace>
class AnswererOn final : public Answerer {
 public:
  using Executor = execution::Executor<kSpace>;
  /// The setup outlives this.
  AnswererOn(const Setup& setup, const AnswerNeeds& needs, std::unique_ptr<Executor> executor, const AnswerSizes& sizes,
             const AnswerPlan& plan);
  /// Bytes of the executor's memory.
  static std::uint64_t bytes(const AnswerSizes& sizes, const AnswerPlan& plan);

  void search(const AnswerBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) override;
  [[nodiscard]] const Cost& cost() const override { return comparison_.cost(); }

 private:
  using Queries = typename Comparison<kSpace>::Queries;
  using Rows = typename Comparison<kSpace>::Rows;
  template <class T>
  using Buffer = typename Comparison<kSpace>::template Buffer<T>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  /// Queries that are searched at once, and the best rows that each of them keeps.
  struct Batch {
    std::size_t first;
    std::size_t count;
    std::uint64_t keys;
    [[nodiscard]] std::uint64_t size() const { return count * keys; }
  };

  [[nodiscard]] std::uint64_t keys_wanted(const AnswerBlock& block, std::size_t query) const;
  [[nodiscard]] Batch next_batch(const AnswerBlock& block, std::size_t first) const;
  std::span<kernels::BestKey> find_keys(const AnswerBlock& block, const Batch& batch);
  void merge(const Queries& queries, const Rows& tile, std::size_t worker, std::uint64_t keys,
             const kernels::RowFilter* filter);
  std::span<kernels::BestKey> merge_workers(std::span<kernels::BestKey> keys, const Batch& batch, std::size_t i) const;
  std::uint32_t take_best(const Query& query, std::span<kernels::BestKey> keys, std::span<Candidate> found) const;

  const Setup& setup_;
  AnswerNeeds needs_;
  AnswerSizes sizes_;
  AnswerPlan plan_;
  Comparison<kSpace> comparison_;
  std::array<Buffer<kernels::BestKey>, 2> keys_;  // by worker [queries, keys of a batch]; the second unless in place
  memory::Buffer<kernels::BestKey> host_keys_;
  // The buffers below are for screening.
  Buffer<kernels::BestKey> listed_;
  Buffer<std::uint32_t> counts_;     // [queries]
  Buffer<std::uint32_t> bars_;       // [queries]
  Buffer<std::uint32_t> overflows_;  // [queries + 1]
};

extern template class AnswererOn<kernels::Space::kHost>;
extern template class AnswererOn<kernels::Space::kDevice>;

}  // namespace tessera::search
