"""What the paper reports: Jain et al., Classifier-Free Guidance inside the Attraction Basin May Cause Memorization.

Table 3: Stable Diffusion 1.4 fine-tuned on 200 pictures that were duplicated 200 times (Scenario 3). Table 4: the
released Stable Diffusion 1.4 with Webster's 500 prompts (Scenario 4). Similarity by SSCD, to the training image.
"""

from typing import NamedTuple

NONE, WORD, NUMBER = "No mitigation", "Add rand word", "Add rand numb"
WEN_3, WEN_1, REN = "Wen et al. (l_target = 3)", "Wen et al. (l_target = 1)", "Ren et al."
DTP, OG_DTP = "Ours (DTP)", "Ours (OG + DTP)"


class Reported(NamedTuple):
    high: float  # 95th percentile of the similarity
    mean: float
    std: float
    clip: float
    fid: float


TABLES = {
    3: {
        NONE: Reported(0.7977, 0.5513, 0.16, 0.3105, 106.49),
        WORD: Reported(0.7480, 0.4312, 0.21, 0.3071, 116.92),
        NUMBER: Reported(0.7366, 0.3850, 0.21, 0.3027, 126.54),
        WEN_3: Reported(0.7747, 0.5147, 0.17, 0.3100, 109.28),
        WEN_1: Reported(0.6038, 0.2808, 0.16, 0.3050, 136.34),
        REN: Reported(0.6881, 0.4036, 0.16, 0.3066, 124.38),
        DTP: Reported(0.5885, 0.2866, 0.16, 0.3020, 138.92),
        OG_DTP: Reported(0.6915, 0.2844, 0.20, 0.2910, 140.05),
    },
    4: {
        NONE: Reported(0.9262, 0.5508, 0.31, 0.3144, 155.35),
        WORD: Reported(0.9049, 0.3779, 0.29, 0.3046, 143.10),
        NUMBER: Reported(0.8934, 0.3740, 0.28, 0.3068, 146.01),
        WEN_3: Reported(0.9155, 0.4913, 0.31, 0.3134, 154.70),
        WEN_1: Reported(0.9011, 0.3287, 0.27, 0.3088, 147.74),
        REN: Reported(0.6718, 0.2544, 0.18, 0.3110, 148.93),
        DTP: Reported(0.8722, 0.3001, 0.25, 0.2897, 169.67),
        OG_DTP: Reported(0.8680, 0.2611, 0.24, 0.2873, 155.41),
    },
}
