"""File name extensions that are refused by default."""

from __future__ import annotations

# The extensions the Devino SMTP API names (August 2016).
DEVINO_EXTENSIONS = frozenset(
    """adp bat chm cmd com cpl exe hta ins isp jar js jse lib lnk mde msc msp mst pif scr sct shb sys vb vbe vbs vxd
    wsc wsf wsh""".split()
)

# What SES itself refuses: developer guide, "Unsupported attachment types".
SES_EXTENSIONS = frozenset(
    """ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf ins isp its js jse ksh lib lnk
    mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh msh1 msh2 mshxml msh1xml msh2xml msi msp
    mst ops pcd pif plg prf prg reg scf scr sct shb shs sys ps1 ps1xml ps2 ps2xml psc1 psc2 tmp url vb vbe vbs vps
    vsmacros vss vst vsw vxd ws wsc wsf wsh xnk""".split()
)

FORBIDDEN_EXTENSIONS = DEVINO_EXTENSIONS | SES_EXTENSIONS
