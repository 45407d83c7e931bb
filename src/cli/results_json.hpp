// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/score_sum.hpp"
#include "core/job.hpp"
#include "memory/device_use.hpp"
#include "train/loop/trainer.hpp"

#include <optional>
#include <string>

namespace tessera::cli {

/// What `train --json` prints, one line.
std::string to_json(const train::Outcome& outcome, const Job& job, const std::optional<memory::DeviceUse>& device_use);

/// What a model is a sum of: one line, or with `indent` spaces of indentation.
std::string to_json(const checkpoint::ScoreSum& model, int indent = -1);

}  // namespace tessera::cli
