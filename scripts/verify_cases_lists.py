"""The lists that verify_cases.py judges by, written down from what was published and not read from the program."""

from __future__ import annotations

# The label tables, written down here again from the published lists, not read from the dataset.
NATIVE = [
    "background", "pancreas_head", "pancreas_uncinate", "pancreas_neck", "pancreas_body", "pancreas_tail",
    "main_duct", "accessory_duct", "side_branches", "common_bile_duct", "pdac", "ipmn", "calcification",
    "superior_mesenteric_vein", "superior_mesenteric_artery", "portal_vein", "splenic_vein", "splenic_artery",
    "coeliac_trunk", "gastroduodenal_artery", "aorta", "inferior_vena_cava", "duodenum", "stomach", "liver",
    "spleen", "kidney_right", "kidney_left", "gallbladder", "adrenal_right", "adrenal_left", "small_bowel", "spine",
    "ribs", "muscle", "subcutaneous_fat", "visceral_fat", "skin", "spinal_canal", "lung", "common_hepatic_artery",
    "renal_vein_left", "mesenteric_vessels", "neuroendocrine_tumour", "serous_cyst", "mucinous_cyst",
    "peripancreatic_oedema", "stent", "peripancreatic_fat", "hepatic_vessels", "renal_vessels", "colon", "arms",
    "table",
]  # fmt: skip
ID = {name: value for value, name in enumerate(NATIVE)}
SCHEMES = {
    "panorama": {
        "lesion": 1, "veins": 2, "arteries": 3, "parenchyma": 4, "pancreatic_duct": 5, "common_bile_duct": 6,
    },
    "msd": {"pancreas": 1, "tumour": 2},
    "nih": {"pancreas": 1},
    "totalseg": {
        "spleen": 1, "kidney_right": 2, "kidney_left": 3, "gallbladder": 4, "liver": 5, "stomach": 6, "pancreas": 7,
        "adrenal_gland_right": 8, "adrenal_gland_left": 9, "small_bowel": 18, "duodenum": 19, "colon": 20, "aorta": 52,
        "inferior_vena_cava": 63, "portal_vein_and_splenic_vein": 64,
    },
    "maisi": {
        "liver": 1, "spleen": 3, "pancreas": 4, "right kidney": 5, "aorta": 6, "inferior vena cava": 7,
        "right adrenal gland": 8, "left adrenal gland": 9, "gallbladder": 10, "stomach": 12, "duodenum": 13,
        "left kidney": 14, "portal vein and splenic vein": 17, "small bowel": 19, "pancreatic tumor": 24,
        "hepatic vessel": 25, "colon": 62, "body": 200,
    },
    "pants": {
        "adrenal_gland_left": 1, "adrenal_gland_right": 2, "aorta": 3, "celiac_artery": 5, "colon": 6,
        "common_bile_duct": 7, "duodenum": 8, "gall_bladder": 11, "kidney_left": 12, "kidney_right": 13, "liver": 14,
        "pancreas": 17, "pancreas_body": 18, "pancreas_head": 19, "pancreas_tail": 20, "pancreatic_duct": 21,
        "postcava": 22, "spleen": 24, "stomach": 25, "superior_mesenteric_artery": 26, "veins": 27,
        "pancreatic_lesion": 28,
    },
}  # fmt: skip
# One organ of each scheme whose voxels must be exactly those of native labels: value → native names.
SAME = {
    "panorama": {4: NATIVE[1:6], 6: ["common_bile_duct"]},
    "totalseg": {1: ["spleen"], 2: ["kidney_right"], 3: ["kidney_left"], 52: ["aorta"], 63: ["inferior_vena_cava"]},
    "maisi": {3: ["spleen"], 5: ["kidney_right"], 14: ["kidney_left"], 6: ["aorta"], 13: ["duodenum"]},
}
PARENCHYMA, DUCTS = range(1, 6), (6, 7, 8)
LESIONS = [ID[name] for name in ["pdac", "ipmn", "neuroendocrine_tumour", "serous_cyst", "mucinous_cyst"]]
FILLING = [ID["calcification"], ID["stent"]]
SHUTTING = [*FILLING, ID["pdac"]]  # what may stand where the graph has a duct: a carcinoma shuts it
ONE_PIECE = [
    "liver", "spleen", "kidney_right", "kidney_left", "gallbladder", "stomach", "duodenum", "aorta",
    "inferior_vena_cava",
]  # fmt: skip
ORGAN_MASKS = [
    "adrenal_gland_left", "adrenal_gland_right", "aorta", "colon", "duodenum", "gall_bladder", "kidney_left",
    "kidney_right", "liver", "pancreas", "postcava", "spleen", "stomach", "superior_mesenteric_artery", "veins",
]  # fmt: skip
# Published ranges of medians [HU] at about 120 kV and of whole organs [mL]; see /docs/verification.md for the sources.
HU = {
    "unenhanced": {"liver": (40, 70), "spleen": (35, 60), "muscle": (40, 70), "aorta": (30, 65)},
    "pancreatic": {"liver": (50, 115), "aorta": (200, 420), "pancreas": (40, 165)},
    "portal-venous": {"liver": (85, 145), "spleen": (95, 150), "aorta": (105, 195), "pancreas": (0, 130),
                      "muscle": (45, 75), "kidney_left": (90, 230)},
}  # fmt: skip
WHOLE_ML = {"liver": (620, 2400), "spleen": (40, 500), "kidney_right": (70, 330), "kidney_left": (70, 330)}
