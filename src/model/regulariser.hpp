// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"

namespace tessera::model {

/// The penalty of every query (s, r, ?) with target t of a batch, on the rows themselves, so that frequent rows are
/// penalised more often (Lacroix et al., ICML 2018). With |x|^p = sum_k |x_k|^p, over complex moduli where rows are
/// complex,
///
///   entities (|s|^p + |t|^p) + relations |r|^p + products |q(s, r)|^p
///
/// is one family: L2 (p = 2) and N3 (p = 3) have no products; DURA (Zhang et al., NeurIPS 2020; p = 2, no relations)
/// and IVR (Wu et al., 2025) do. As both directions of a triple are queries, the product with the target is the query
/// vector of the other one.
struct Regulariser {
  float power = 2;
  float entities = 0;
  float relations = 0;
  float products = 0;
};

/// From the job: names "none", "l2", "n3", "dura" and "ivr". Throws Error(kUsage).
Regulariser find_regulariser(const Job::Regulariser& job);

}  // namespace tessera::model
