// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/rows/row_demand.hpp"
#include "execution/list_ring.hpp"

#include <cstddef>
#include <vector>

namespace tessera::exchange {

/// The demand of a step, as kernels read it.
template <execution::Space kSpace>
struct RowDemandLists {
  /// By owned part: RowDemand::asked(), all requesters.
  std::vector<typename execution::ListWriter<kSpace>::Indices> asked;
};

/// Moves rows, as they are stored, to the parts that need them, for steps in a pipeline. The rows come to the halo of a
/// part, behind its own rows, in the order of RowRequests. For step s:
///
///   begin(s, s - 1)   before step s - 1 is computed; with staleness 1 the rows are those of now
///   patch(s)          after the update of step s - 1; with staleness 0 the rows are those of now
///   finish(s)         before step s is computed: the halo is complete
///
/// A part reads the same values whether this rank or another one owns the row. The demand of the slot is finished
/// before begin(). All ranks make all calls in the same order.
template <execution::Space kSpace>
class HaloRows {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};
  using StoredRows = kernels::BasicStoredRows<kSpace>;
  using Lists = RowDemandLists<kSpace>;

  virtual ~HaloRows() = default;
  /// `changing`: the slot of the step that is about to change rows, or kNone.
  virtual void begin(std::size_t slot, std::size_t changing, const Lists& lists) = 0;
  virtual void patch(std::size_t slot, const Lists& lists) = 0;
  virtual void finish(std::size_t slot) = 0;
};

}  // namespace tessera::exchange
