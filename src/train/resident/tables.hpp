// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/parameters.hpp"
#include "train/resident/place.hpp"

#include <vector>

namespace tessera::train {

/// The parameters and optimiser state of a rank in one memory space, and the way from and to the host's.
template <kernels::Space kSpace>
class ResidentTables {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  struct Table {
    Matrix rows;
    Matrix state;
  };
  /// Memory for as much as `parameters` have.
  ResidentTables(const model::Parameters& parameters, Place<kSpace>& place) : place_(place) {
    for (const model::PartTable& part : parameters.parts()) parts_.push_back(make(part.rows, part.state));
    relations_ = make(parameters.relations(), parameters.relation_state());
    core_ = make(parameters.core(), parameters.core_state());
  }
  [[nodiscard]] const Table& part(std::size_t p) const { return parts_[p]; }
  [[nodiscard]] const Table& relations() const { return relations_; }
  [[nodiscard]] const Table& core() const { return core_; }  ///< of no rows without one

  /// From the host to here, and back; both wait for it.
  void bring(const model::Parameters& from) const {
    for_each(from, [&](kernels::Matrix host, Matrix here) {
      place_.bring(std::span<const float>(host.data, host.rows * host.cols), view(here));
    });
  }
  void fetch(const model::Parameters& to) const {
    for_each(to, [&](kernels::Matrix host, Matrix here) {
      place_.fetch(kernels::Vector<kSpace, const float>(view(here)),
                   std::span<float>(host.data, host.rows * host.cols));
    });
  }

 private:
  Table make(kernels::Matrix rows, kernels::Matrix state) {
    return {make(memory::Tag::kRows, rows), make(memory::Tag::kState, state)};
  }
  Matrix make(memory::Tag tag, kernels::Matrix like) {
    const std::size_t count = like.rows * like.cols;
    memory_.push_back(place_.template allocate<float>(tag, count));
    return {memory_.back().data(), like.rows, like.cols, like.cols};
  }
  static kernels::Vector<kSpace, float> view(Matrix matrix) { return {matrix.data, matrix.rows * matrix.cols}; }
  template <class Copy>
  void for_each(const model::Parameters& host, const Copy& copy) const {
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      copy(host.parts()[p].rows, parts_[p].rows);
      copy(host.parts()[p].state, parts_[p].state);
    }
    copy(host.relations(), relations_.rows);
    copy(host.relation_state(), relations_.state);
    copy(host.core(), core_.rows);
    copy(host.core_state(), core_.state);
    place_.finish();
  }

  Place<kSpace>& place_;
  std::vector<typename Place<kSpace>::template Buffer<float>> memory_;
  std::vector<Table> parts_;
  Table relations_;
  Table core_;
};

}  // namespace tessera::train
