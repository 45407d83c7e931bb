// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/predictor.hpp"

#include <string>

namespace tessera::predict {

/// A table for a person: rank, name, score, and the split that has the triple.
std::string to_text(const Prediction& prediction);

/// One JSON object on one line.
std::string to_json(const Prediction& prediction);

}  // namespace tessera::predict
