// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/evaluator.hpp"

#include <string>

namespace tessera::evaluate {

/// A table for a person: the realistic tie rule by direction, the pessimistic one beside it, what was ranked among
/// what.
std::string to_text(const Metrics& metrics, graph::Split split, const Options& options);

/// The same, and all tie rules, as one JSON object on one line.
std::string to_json(const Metrics& metrics, graph::Split split, const Options& options);

}  // namespace tessera::evaluate
