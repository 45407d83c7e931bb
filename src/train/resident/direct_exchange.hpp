// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/resident/resident_exchange.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace tessera::train {

/// Everything stays in the memory space: blocks go from rank to rank, one call of the transport for each phase, and
/// the fixed tree over parts is evaluated by kernels on every rank. Sizes are known a step ahead, so no host waits for
/// what is computed. One rank has nobody to send to.
template <kernels::Space kSpace>
class DirectExchange final : public ResidentExchange<kSpace> {
 public:
  using Base = ResidentExchange<kSpace>;
  using typename Base::Lists;
  using typename Base::Matrix;
  using typename Base::RelationSum;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;

  /// `transport` is null with one rank, and outlives this.
  DirectExchange(const EngineSetup& setup, const StepSchedule& schedule, Resident<kSpace>& in,
                 RankTransport<kSpace>* transport);

  [[nodiscard]] std::string description() const override;
  [[nodiscard]] bool is_staged() const override { return false; }
  [[nodiscard]] bool needs_lists() const override { return true; }
  void gather_queries(const Lists& lists, Matrix queries) override;
  [[nodiscard]] Vector<kernels::Statistic> statistics(const Lists& lists, std::size_t k) override;
  Vector<const kernels::Statistic> merge_statistics(const Lists& lists, Vector<float> target_scores) override;
  Matrix return_gradients(const Lists& lists) override;
  RelationSum sum_relations(const Lists& lists, Matrix own, bool& failed) override;

 private:
  using Base::in_;
  using Base::predicts_;
  using Base::shard_;
  using Base::width_;
  template <class T>
  using Buffer = typename Place<kSpace>::template Buffer<T>;

  void allocate(const QueriesStep::Capacity& capacity, const exchange::QueryExchange::Capacity& by_part);
  RelationSum sum_sparse(const Lists& lists, Matrix leaves);
  RelationSum sum_dense(Matrix own);
  [[nodiscard]] Vector<kernels::Statistic> subtree_statistics(const Lists& lists, std::size_t subtree);
  /// Subtrees of other ranks before this one.
  [[nodiscard]] std::size_t among_received(std::size_t subtree) const;
  [[nodiscard]] bool is_own(std::size_t subtree) const {
    return subtree >= subtrees_.first[self_] && subtree < subtrees_.first[self_ + 1];
  }
  void send(Vector<const std::byte> block, std::size_t rank);
  void receive(Vector<std::byte> block, std::size_t rank);
  /// Own block to all others, and theirs to here: block(rank) is bytes, as many on every rank.
  template <class Block>
  void spread(const Block& block);
  void flush();

  RankTransport<kSpace>* transport_;
  std::size_t ranks_;
  std::size_t self_;
  exchange::RankSubtrees subtrees_;
  std::vector<exchange::PartRange> own_parts_;
  Buffer<kernels::Statistic> statistics_;  // [all subtrees, B]
  Buffer<float> packed_scores_;            // with several ranks, as all that follows: all targets by rank
  Matrix received_;                        // [subtrees of others * own queries, width]
  Matrix relation_rows_;                   // [distinct relations of all subtrees, operator dim]
  Matrix relation_sums_;                   // [relations, operator dim]
  Matrix dense_rows_;                      // with prediction: [subtrees of others * relations, operator dim]
  std::vector<typename RankTransport<kSpace>::Send> sends_;
  std::vector<typename RankTransport<kSpace>::Receive> receives_;
};

extern template class DirectExchange<kernels::Space::kHost>;
extern template class DirectExchange<kernels::Space::kDevice>;

}  // namespace tessera::train
