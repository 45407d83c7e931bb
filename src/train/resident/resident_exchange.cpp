// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/resident_exchange.hpp"

#include "train/resident/direct_exchange.hpp"
#include "train/resident/staged_exchange.hpp"

namespace tessera::train {

using kernels::Space;

template <Space kSpace>
ResidentExchange<kSpace>::ResidentExchange(const EngineSetup& setup, const StepSchedule& schedule, Resident<kSpace>& in,
                                           bool through_host)
    : in_(in),
      shard_(setup.shard),
      predicts_(setup.job.relation_prediction.weight > 0),
      is_binary_(setup.job.loss.name == "bce"),
      width_(predicts_ ? 2 * in.dim : in.dim),
      host_(setup.comm, shard_, through_host ? in.dim : 0, through_host && predicts_,
            exchange_capacity(setup, schedule), setup.pool),
      gradients_(in.allocate(memory::Tag::kGradients, host_.subtrees().size() * step_capacity(setup, schedule).queries,
                             width_)) {}

template <Space kSpace>
std::unique_ptr<ResidentExchange<kSpace>> make_resident_exchange(const EngineSetup& setup, const StepSchedule& schedule,
                                                                 Resident<kSpace>& in,
                                                                 RankTransport<kSpace>* transport) {
  if (setup.comm.size() == 1 || transport != nullptr)
    return std::make_unique<DirectExchange<kSpace>>(setup, schedule, in, transport);
  return std::make_unique<StagedExchange<kSpace>>(setup, schedule, in);
}

template class ResidentExchange<Space::kHost>;
template class ResidentExchange<Space::kDevice>;
template std::unique_ptr<ResidentExchange<Space::kHost>> make_resident_exchange(const EngineSetup&, const StepSchedule&,
                                                                                Resident<Space::kHost>&,
                                                                                RankTransport<Space::kHost>*);
template std::unique_ptr<ResidentExchange<Space::kDevice>> make_resident_exchange(const EngineSetup&,
                                                                                  const StepSchedule&,
                                                                                  Resident<Space::kDevice>&,
                                                                                  RankTransport<Space::kDevice>*);

}  // namespace tessera::train
